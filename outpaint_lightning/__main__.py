"""`python -m outpaint_lightning`."""

from outpaint_lightning.cli import console

if __name__ == "__main__":
    console()
