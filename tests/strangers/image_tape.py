"""The network of old_image.py: layers of Keras, a dataset and a tape in a tf.function."""

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

random = np.random.RandomState(1)
images = random.randint(0, 256, [330, 12, 12, 2]).astype("uint8")
labels = random.randint(0, 5, 330)
data = tf.data.Dataset.from_tensor_slices((images, labels))
data = data.map(lambda image, label: (tf.cast(image, tf.float32) / 255.0, label))
data = data.batch(32)


class Net(tf.keras.Model):
    def __init__(self):
        super().__init__()
        l2 = tf.keras.regularizers.L2(0.001)
        self.conv1 = layers.Conv2D(8, 5, padding="same", kernel_regularizer=l2)
        self.pool1 = layers.MaxPooling2D(2)
        self.conv2 = layers.Conv2D(12, 3, padding="same", use_bias=False)
        self.norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
        self.pool2 = layers.AveragePooling2D(2)
        self.conv3 = layers.Conv2D(16, 3, strides=2, padding="same", activation="elu")
        self.dropout = layers.Dropout(0.25)
        self.dense1 = layers.Dense(20, activation="tanh", kernel_regularizer=l2)
        self.dense2 = layers.Dense(5)

    def call(self, x, training=False):
        h = tf.nn.relu(self.conv1(x))
        h = self.pool1(h)
        h = self.norm(self.conv2(h), training=training)
        h = tf.nn.relu(h)
        h = self.pool2(h)
        h = self.conv3(h)
        h = tf.reshape(h, [-1, 64])
        h = self.dropout(h, training=training)
        h = self.dense1(h)
        return self.dense2(h)


model = Net()
model(tf.zeros([1, 12, 12, 2]))  # makes its variables
rate = tf.keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.9, staircase=True)
optimizer = tf.keras.optimizers.Adam(rate, epsilon=1e-8)
averages = [tf.Variable(w.value, trainable=False, name="average") for w in model.trainable_weights]


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        target = tf.one_hot(y, 5) * 0.9 + 0.1 / 5
        losses = tf.nn.softmax_cross_entropy_with_logits(labels=target, logits=logits)
        loss = tf.reduce_mean(losses)
        loss += tf.add_n(model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    for average, weight in zip(averages, model.trainable_weights):
        average.assign(0.95 * average + 0.05 * weight)


for epoch in range(3):
    for x, y in data:
        train_step(x, y)
