"""The networks: tensors in, logits out. They know nothing of files, collections or runs."""
