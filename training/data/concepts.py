"""The concepts of the bundled model: icons that all three sets draw, and how often to show them.

A small model that is right about 140 things serves people better than a blurred one about 1,500.
"""


def _words(text: str) -> list[str]:
    return text.split()


FACES = _words("""
grinning-face slightly-smiling-face smiling-face-with-sunglasses crying-face
smiling-face-with-heart-eyes nerd-face cowboy-hat-face partying-face winking-face
face-with-tongue angry-face sleeping-face neutral-face smiling-face-with-halo
smiling-face-with-horns face-with-tears-of-joy loudly-crying-face slightly-frowning-face
thinking-face face-with-medical-mask disguised-face star-struck face-with-open-mouth
""")
ODD_FACES = _words("""
clown-face robot alien ghost jack-o-lantern skull full-moon-face sun-with-face snowman
teddy-bear
""")
ANIMAL_FACES = _words("""
cat-face dog-face bear panda polar-bear tiger-face lion fox wolf rabbit-face mouse-face pig-face
cow-face koala frog monkey-face hamster horse-face unicorn raccoon chicken penguin owl
""")
ANIMALS = _words("""
cat dog tiger elephant fish tropical-fish whale turtle butterfly honeybee lady-beetle duck
octopus snail
""")
FRUIT = _words("""
red-apple green-apple pear lemon tangerine banana strawberry peach watermelon tomato cherries
grapes pineapple mango carrot eggplant
""")
FOOD = _words("""
pizza hamburger doughnut cookie soft-ice-cream cupcake hot-dog french-fries birthday-cake
hot-beverage
""")
HEARTS = _words("""
red-heart blue-heart green-heart yellow-heart purple-heart orange-heart black-heart white-heart
pink-heart broken-heart
""")
VEHICLES = _words("""
automobile taxi bus police-car fire-engine delivery-truck rocket airplane sailboat bicycle
tractor racing-car
""")
WEATHER = _words("""
sun cloud star crescent-moon rainbow umbrella snowflake fire droplet high-voltage
""")
OBJECTS = _words("""
soccer-ball basketball tennis house balloon sunflower rose mushroom evergreen-tree crown key
bell gem-stone wrapped-gift trophy guitar
""")

#: (icon names, weight): edits live among faces, animal faces, fruit and hearts
GROUPS = (
    (FACES, 2.0),
    (ODD_FACES, 1.0),
    (ANIMAL_FACES, 2.2),
    (ANIMALS, 1.0),
    (FRUIT, 1.8),
    (FOOD, 1.0),
    (HEARTS, 1.3),
    (VEHICLES, 1.3),
    (WEATHER, 0.9),
    (OBJECTS, 0.9),
)

#: icon name -> further true names
SYNONYMS = {
    "tangerine": ["orange fruit"],
    "automobile": ["car"],
    "evergreen-tree": ["tree"],
    "smiling-face-with-sunglasses": ["face with sunglasses"],
    "smiling-face-with-heart-eyes": ["face with heart eyes"],
    "cat-face": ["face of a cat"],
    "dog-face": ["face of a dog"],
    "tiger-face": ["face of a tiger"],
    "bear": ["bear face"],
    "panda": ["panda face"],
    "lion": ["lion face"],
    "fox": ["fox face"],
    "wolf": ["wolf face"],
    "koala": ["koala face"],
    "frog": ["frog face"],
    "hamster": ["hamster face"],
}


def icon_names() -> list[str]:
    """All icon names, in a fixed order."""
    return [name for names, _ in GROUPS for name in names]


def weights() -> list[float]:
    """How often each concept of `icon_names()` is drawn."""
    return [weight for names, weight in GROUPS for _ in names]


def title(icon: str) -> str:
    """The name in captions: 'cat-face' -> 'cat face'."""
    return icon.replace("-", " ")
