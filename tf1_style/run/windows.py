"""What an old program shows in a window is saved as a picture, and does not stop the program.

matplotlib takes this module for a backend: `MPLBACKEND=module://tf1_style.run.windows`.
"""

import atexit
import os
import sys


def save_figures(name):
    """Makes `plt.show()` save each figure as NAME-figure-1.png, -2, ... in the working folder."""
    os.environ["MPLBACKEND"] = f"module://{__name__}"
    os.environ["TF1_RUN_FIGURES"] = os.path.abspath(name)


def matplotlib_names():
    """Returns the old names of matplotlib."""
    from matplotlib import axes, colormaps, pyplot

    def use(*arguments, **keywords):
        """The backend stays the one that saves figures."""

    def get_cmap(name=None, lut=None):
        name = {"spectral": "nipy_spectral", "Vega10": "tab10", "Vega20": "tab20"}.get(name, name)
        return pyplot.get_cmap(name, lut)

    def hist(x, *arguments, normed=None, **keywords):
        if normed is not None:
            keywords["density"] = normed
        return pyplot.hist(x, *arguments, **keywords)

    def gca(**keywords):
        return pyplot.subplot(**keywords) if keywords else pyplot.gca()

    # The classes are matplotlib's own, so all of the process sees these again.
    axes._base._AxesBase.ArtistList.remove = lambda artists, artist: artist.remove()
    axes.Axes.hold = axes.Axes.set_axis_bgcolor = lambda *_: None
    pyplot.Figure.gca = _gca(pyplot.Figure.gca)
    names = {"matplotlib.use": use}
    for cm in ("matplotlib.cm", "matplotlib.pyplot.cm", "matplotlib.pylab.cm"):
        names.update({f"{cm}.get_cmap": get_cmap, f"{cm}.spectral": colormaps["nipy_spectral"]})
    pyplot_names = {"switch_backend": use, "hold": use, "ishold": use, "gca": gca, "hist": hist}
    pyplot_names["waitforbuttonpress"] = lambda *_, **__: True
    pyplot_names["ginput"] = lambda *_, **__: []
    pyplot_names["get_cmap"] = get_cmap
    for place in ("pyplot", "pylab"):
        names.update({f"matplotlib.{place}.{key}": value for key, value in pyplot_names.items()})
    return names


def _gca(function):
    def gca(figure, **keywords):
        """Takes `projection="3d"` too."""
        return figure.add_subplot(**keywords) if keywords else function(figure)

    return gca


def pylab_names():
    """Returns the old names of pylab, which are pyplot's."""
    start = "matplotlib.pyplot."
    names = matplotlib_names()
    return {f"pylab.{name[len(start) :]}": names[name] for name in names if name.startswith(start)}


def cv2_names():
    """Returns OpenCV's functions of windows: nothing is shown, and no key is pressed."""
    names = "imshow namedWindow destroyAllWindows destroyWindow moveWindow resizeWindow".split()
    found = {f"cv2.{name}": lambda *_: None for name in names}
    found.update({"cv2.waitKey": lambda *_: -1, "cv2.setMouseCallback": lambda *_: None})
    return {**found, "cv2.cv": _OpenCV2()}


class _OpenCV2:
    """The names of OpenCV 2 that begin with CV_."""

    def __getattr__(self, name):
        import cv2

        name = name.removeprefix("CV_")
        return getattr(cv2, {"FOURCC": "VideoWriter_fourcc"}.get(name, name))


def _backend():
    from matplotlib import is_interactive, pyplot
    from matplotlib.backend_bases import FigureManagerBase
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    class Manager(FigureManagerBase):
        def show(self):
            atexit.unregister(_save_all)
            atexit.register(_save_all)

        @classmethod
        def pyplot_show(cls, block=None):
            """Saves the figures; those of an animation, which goes on, only when it ends."""
            if block is False or (block is None and is_interactive()):
                return cls.show(None)
            _save_all()
            pyplot.close("all")

    class Canvas(FigureCanvasAgg):
        manager_class = Manager

        def start_event_loop(self, timeout=0):
            """Does not wait: there is nobody to look (`plt.pause`)."""

    return Canvas, Manager


def __getattr__(name):
    if name in ("FigureCanvas", "FigureManager"):
        globals()["FigureCanvas"], globals()["FigureManager"] = _backend()
        return globals()[name]
    raise AttributeError(name)


def _save_all():
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        _save(pyplot.figure(number))


def _save(figure):
    start = os.environ["TF1_RUN_FIGURES"]
    number = 1
    while os.path.exists(f"{start}-figure-{number}.png"):
        number += 1
    path = f"{start}-figure-{number}.png"
    figure.savefig(path)
    print(f"figure saved: {os.path.relpath(path)}", file=sys.stderr)
