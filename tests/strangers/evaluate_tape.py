"""The network of old_evaluate.py: layers of Keras, a tape, and a test step in a tf.function."""

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

random = np.random.RandomState(1)
images = random.randint(0, 256, [12, 32, 12, 12, 1]).astype("uint8")
labels = random.randint(0, 5, [12, 32])
test_images = random.randint(0, 256, [70, 12, 12, 1]).astype("uint8")
test_labels = random.randint(0, 5, 70)


def dataset(x, y):
    data = tf.data.Dataset.from_tensor_slices((x, y))
    return data.map(lambda x, y: (tf.cast(x, tf.float32) / 255.0, y)).batch(32)


class Net(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(8, 3, padding="same", use_bias=False)
        self.norm = layers.BatchNormalization(momentum=0.9)
        self.pool = layers.MaxPooling2D(2)
        self.dense1 = layers.Dense(20, "relu")
        self.dropout = layers.Dropout(0.25)
        self.dense2 = layers.Dense(5)

    def call(self, x, training=False):
        h = self.norm(self.conv(x), training=training)
        h = self.pool(tf.nn.relu(h))
        h = self.dense1(tf.reshape(h, [-1, 288]))
        h = self.dropout(h, training=training)
        return self.dense2(h)


model = Net()
model(tf.zeros([1, 12, 12, 1]))
optimizer = tf.keras.optimizers.Adam(0.01)
loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
accuracy = tf.keras.metrics.SparseCategoricalAccuracy()


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_of(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))


@tf.function
def test_step(x, y):
    logits = model(x, training=False)
    accuracy.update_state(y, logits)


for x, y in dataset(images.reshape(-1, 12, 12, 1), labels.reshape(-1)):
    train_step(x, y)
for x, y in dataset(test_images, test_labels):
    test_step(x, y)
print("test accuracy", accuracy.result().numpy())
