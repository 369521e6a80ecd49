"""Stands for `tf.contrib.image`: rotations and other projective transforms.

A transform is eight numbers (a0, a1, a2, b0, b1, b2, c0, c1), as in TensorFlow 1.15's
`tf.contrib.image.transform`: the output's point (x, y) shows the input's point
((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1.
"""

import tensorflow.compat.v1 as tf


def transform(images, transforms, interpolation="NEAREST", output_shape=None, name=None):
    """Transforms images `[N, H, W, C]`, `[H, W, C]` or `[H, W]`; what lies outside is 0."""
    with tf.name_scope(name, "transform"):
        images = tf.convert_to_tensor(images, name="images")
        transforms = tf.convert_to_tensor(transforms, tf.float32, name="transforms")
        if transforms.shape.ndims == 1:
            transforms = transforms[None]
        rank = images.shape.ndims
        batch = {2: lambda: images[None, :, :, None], 3: lambda: images[None]}
        batch = batch.get(rank, lambda: images)()
        shape = tf.shape(batch)[1:3] if output_shape is None else output_shape
        output = tf.raw_ops.ImageProjectiveTransformV2(
            images=batch,
            transforms=transforms,
            output_shape=tf.cast(shape, tf.int32),
            interpolation=interpolation.upper(),
        )
        if output_shape is None:
            output.set_shape(batch.shape)
        return {2: lambda: output[0, :, :, 0], 3: lambda: output[0]}.get(rank, lambda: output)()


def rotate(images, angles, interpolation="NEAREST", name=None):
    """Rotates images counterclockwise by angles in radians, one or one for each image."""
    with tf.name_scope(name, "rotate"):
        images = tf.convert_to_tensor(images)
        shape = tf.shape(images)
        height, width = (shape[0], shape[1]) if images.shape.ndims < 4 else (shape[1], shape[2])
        height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
        transforms = angles_to_projective_transforms(angles, height, width)
        return transform(images, transforms, interpolation)


def translate(images, translations, interpolation="NEAREST", name=None):
    """Moves images by (dx, dy) pixels, one pair or one for each image."""
    with tf.name_scope(name, "translate"):
        return transform(images, translations_to_projective_transforms(translations), interpolation)


def angles_to_projective_transforms(angles, image_height, image_width, name=None):
    with tf.name_scope(name, "angles_to_projective_transforms"):
        angles = tf.convert_to_tensor(angles, tf.float32)
        angles = angles[None] if angles.shape.ndims == 0 else angles
        sine, cosine = tf.sin(angles), tf.cos(angles)
        right, down = image_width - 1, image_height - 1
        x = (right - (cosine * right - sine * down)) / 2.0
        y = (down - (sine * right + cosine * down)) / 2.0
        zero = tf.zeros_like(angles)
        return tf.stack([cosine, -sine, x, sine, cosine, y, zero, zero], 1)


def translations_to_projective_transforms(translations, name=None):
    with tf.name_scope(name, "translations_to_projective_transforms"):
        translations = tf.reshape(tf.convert_to_tensor(translations, tf.float32), [-1, 2])
        x, y = translations[:, 0], translations[:, 1]
        one, zero = tf.ones_like(x), tf.zeros_like(x)
        return tf.stack([one, zero, -x, zero, one, -y, zero, zero], 1)


def flat_transforms_to_matrices(transforms):
    transforms = tf.reshape(tf.convert_to_tensor(transforms, tf.float32), [-1, 8])
    whole = tf.concat([transforms, tf.ones_like(transforms[:, :1])], 1)
    return tf.reshape(whole, [-1, 3, 3])


def matrices_to_flat_transforms(transform_matrices):
    matrices = tf.reshape(tf.convert_to_tensor(transform_matrices, tf.float32), [-1, 9])
    return (matrices / matrices[:, 8:])[:, :8]


def compose_transforms(*transforms):
    """Returns the transform that is all of them, the first applied first."""
    composed = flat_transforms_to_matrices(transforms[0])
    for following in transforms[1:]:
        composed = tf.matmul(composed, flat_transforms_to_matrices(following))
    return matrices_to_flat_transforms(composed)
