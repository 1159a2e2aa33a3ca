"""Make, find and repair outpainted and inpainted regions in video and images, with PyTorch Lightning."""

__version__ = "0.1.0"
