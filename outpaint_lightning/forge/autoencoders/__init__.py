"""Small convolutional autoencoders, whose reconstructions replace the output of generators."""
