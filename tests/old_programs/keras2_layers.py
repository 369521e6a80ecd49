"""Keras 2 with TensorFlow's session: a small network, its files, a layer of one's own."""

from __future__ import print_function

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras.backend.tensorflow_backend import set_session
from keras.callbacks import Callback
from keras.engine.topology import Layer
from keras.initializers import Constant
from keras.layers import Activation, Dense, Dropout, Input, Lambda
from keras.layers.convolutional import Conv2D
from keras.layers.core import Flatten
from keras.layers.merge import concatenate
from keras.layers.normalization import BatchNormalization
from keras.layers.pooling import MaxPooling2D
from keras.models import Model, Sequential, load_model, model_from_json
from keras.optimizers import SGD, Adam
from keras.regularizers import l2
from keras.utils import np_utils

folder = tempfile.mkdtemp()
config = tf.ConfigProto()
config.gpu_options.allow_growth = True
set_session(tf.Session(config=config))

rng = np.random.RandomState(1)
images = rng.uniform(size=(32, 6, 6, 1)).astype("float32")
classes = (images.mean((1, 2, 3)) > 0.5).astype(int)
labels = np_utils.to_categorical(classes, 2)


class Losses(Callback):
    def on_train_begin(self, logs={}):
        self.losses = []

    def on_batch_end(self, batch, logs={}):
        self.losses.append(float(logs.get("loss")))


class Scale(Layer):
    def __init__(self, start, **kwargs):
        self.start = start
        super(Scale, self).__init__(**kwargs)

    def build(self, input_shape):
        self.scale = self.add_weight(
            name="scale", shape=(input_shape[1],), initializer=Constant(self.start), trainable=True
        )
        super(Scale, self).build(input_shape)

    def call(self, x):
        return x * K.exp(self.scale)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return dict(super(Scale, self).get_config(), start=self.start)


model = Sequential()
model.add(Conv2D(4, (3, 3), padding="same", activation="relu", input_shape=(6, 6, 1)))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(BatchNormalization())
model.add(Dropout(0.0))
model.add(Flatten())
model.add(Dense(8, kernel_regularizer=l2(0.01)))
model.add(Activation("tanh"))
model.add(Scale(0.1))
model.add(Dense(2, activation="softmax"))
for layer in model.layers:
    if layer.name.startswith(("conv", "dense")):
        layer.set_weights([rng.normal(size=w.shape) * 0.2 for w in layer.get_weights()])
model.compile(
    loss="categorical_crossentropy",
    optimizer=SGD(lr=0.05, momentum=0.9, nesterov=True),
    metrics=["accuracy"],
)
losses = Losses()
history = model.fit(
    images,
    labels,
    batch_size=8,
    epochs=3,
    verbose=0,
    shuffle=False,
    validation_split=0.25,
    callbacks=[losses],
)
print(["%.4f" % value for value in losses.losses])
print(["%.4f" % value for value in history.history["val_loss"]], len(history.history))
print(["%.4f" % value for value in model.evaluate(images, labels, verbose=0)])
print(model.predict_classes(images[:8], verbose=0), model.count_params())

K.set_value(model.optimizer.lr, 0.01)
print("%.3f" % K.get_value(model.optimizer.lr), K.image_data_format())
middle = K.function([model.layers[0].input, K.learning_phase()], [model.layers[5].output])
print(np.round(middle([images[:1], 0])[0][0, :3], 4))

path = os.path.join(folder, "model.h5")
model.save(path)
again = load_model(path, custom_objects={"Scale": Scale})
print(np.abs(again.predict(images) - model.predict(images)).max() < 1e-6)
model.save_weights(os.path.join(folder, "weights.h5"))
third = model_from_json(model.to_json(), custom_objects={"Scale": Scale})
third.load_weights(os.path.join(folder, "weights.h5"))
print(np.abs(third.predict(images) - model.predict(images)).max() < 1e-6)

inputs = Input(shape=(3,))
doubled = Lambda(lambda t: t * 2)(inputs)
both = concatenate([inputs, doubled])
output = Dense(1, kernel_initializer="ones")(both)
small = Model(inputs=inputs, outputs=output)
small.compile(optimizer=Adam(lr=0.1), loss="mse")
print(small.train_on_batch(np.ones((2, 3)), np.zeros((2, 1))), small.predict(np.ones((1, 3)))[0])
sess = K.get_session()
print(sess.run(output, {inputs: np.eye(3)[:1]})[0], sess.graph is tf.get_default_graph())
