"""Small images for tests."""

from PIL import Image

ALL = dict(rank=0, size=1, partition="iid")
WHITE = (255, 255, 255)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def colour(shade=(200, 100, 50), size=(4, 6)):
    """[size] is (width, height), as in PIL."""
    return Image.new("RGB", size, shade)
