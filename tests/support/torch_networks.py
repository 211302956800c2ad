"""Four networks as PyTorch modules, with the names and the order of torchvision's. Import it only where torch is installed."""

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn


def conv(i, o, size, stride=1, groups=1, bias=False):
    return nn.Conv2d(i, o, size, stride, padding=size // 2, groups=groups, bias=bias)


class Block(nn.Module):
    """ResNet's basic block."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(i, o, 3, stride), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = conv(o, o, 3), nn.BatchNorm2d(o)
        self.downsample = nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o)) if stride > 1 else None

    def forward(self, x):  # noqa: D102
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    """ResNet-18 of images of any size."""

    def __init__(self, width=64, classes=1000):
        super().__init__()
        self.conv1, self.bn1 = conv(3, width, 7, 2), nn.BatchNorm2d(width, eps=1e-3)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        for n, (i, o) in enumerate(pairwise(widths), 1):
            setattr(self, f"layer{n}", nn.Sequential(Block(i, o, 1 if n == 1 else 2), Block(o, o, 1)))
        self.fc = nn.Linear(8 * width, classes)

    def forward(self, x):  # noqa: D102
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for n in range(1, 5):
            x = getattr(self, f"layer{n}")(x)
        return self.fc(x.mean((2, 3)))


INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def conv_norm(i, o, size=3, stride=1, groups=1):
    return nn.Sequential(conv(i, o, size, stride, groups), nn.BatchNorm2d(o), nn.ReLU6())


class Inverted(nn.Module):
    """MobileNetV2's inverted residual."""

    def __init__(self, i, o, stride, expand):
        super().__init__()
        wide = i * expand
        expansion = [conv_norm(i, wide, 1)] if expand > 1 else []
        self.conv = nn.Sequential(
            *expansion, conv_norm(wide, wide, 3, stride, wide), conv(wide, o, 1), nn.BatchNorm2d(o)
        )
        self.skip = stride == 1 and i == o

    def forward(self, x):  # noqa: D102
        return x + self.conv(x) if self.skip else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2; `divisor` makes it narrower."""

    def __init__(self, divisor=1, classes=1000):
        super().__init__()
        i, last = 32 // divisor, 1280 // divisor
        layers = [conv_norm(3, i, 3, 2)]
        for expand, o, count, stride in INVERTED:
            for n in range(count):
                layers.append(Inverted(i, o // divisor, stride if n == 0 else 1, expand))
                i = o // divisor
        self.features = nn.Sequential(*layers, conv_norm(i, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, x):  # noqa: D102
        return self.classifier(self.features(x).mean((2, 3)))


class VGG11(nn.Module):
    """VGG-11 with biases and no normalisation, for 32x48 images."""

    def __init__(self, divisor=1, classes=1000):
        super().__init__()
        layers, i = [], 3
        for o in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"):
            if o == "pool":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [conv(i, o // divisor, 3, bias=True), nn.ReLU()]
                i = o // divisor
        self.features = nn.Sequential(*layers)
        hidden = 4096 // divisor
        self.classifier = nn.Sequential(
            nn.Linear(i, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x):  # noqa: D102
        return self.classifier(self.features(x).amax((2, 3)))


def twice(i, o):
    return nn.Sequential(conv(i, o, 3), nn.BatchNorm2d(o), nn.ReLU(), conv(o, o, 3), nn.BatchNorm2d(o), nn.ReLU())


class UNet(nn.Module):
    """A U-Net of three scales, with transposed convolutions on the way up."""

    def __init__(self, width=64, classes=2):
        super().__init__()
        self.inc, self.down1, self.down2 = twice(3, width), twice(width, 2 * width), twice(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.up1, self.merge1 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), twice(4 * width, 2 * width)
        self.up2, self.merge2 = nn.ConvTranspose2d(2 * width, width, 2, 2), twice(2 * width, width)
        self.outc = nn.Conv2d(width, classes, 1)

    def forward(self, x):  # noqa: D102
        one = self.inc(x)
        two = self.down1(self.pool(one))
        three = self.down2(self.pool(two))
        two = self.merge1(torch.cat([two, self.up1(three)], 1))
        return self.outc(self.merge2(torch.cat([one, self.up2(two)], 1)))
