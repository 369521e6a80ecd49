"""What both styles share: data, batches, flags, results. Nothing here imports TensorFlow."""
