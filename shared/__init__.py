"""What has no style: data, batches, flags, results. Nothing here imports TensorFlow."""
