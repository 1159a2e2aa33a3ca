"""Small convolutional autoencoders, whose reconstructions stand in for what generators make."""
