"""The words people use for what portraits can show, and what each of them means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from tools.look import COLORS, VALUES

Kind = Literal["value", "color", "thing", "it", "other", "change", "more", "remove", "to",
               "unknown"]  # fmt: skip


@dataclass(frozen=True)
class Mention:
    """A word or phrase of a request that means something.

    Attributes:
        kind: a value of an attribute, a colour, a thing without a value ("hair", "the hat" as a
            place), "it", a wish for another value ("different"), "change", a wish for a higher one
            ("darker"), the start of what goes ("remove"), the hinge of "from A to B", or something
            of the attribute that cannot be drawn ("a crown" for the headwear).
        attribute: which attribute, where the words say.
        value: which value or colour, where the words say.
        start: first character in the clause.
        end: one past the last.
    """

    kind: Kind
    attribute: str = ""
    value: str = ""
    start: int = 0
    end: int = 0


SAID: dict[str, dict[str, str]] = {
    "gender": {
        "woman": "women|female|lady|girl|feminine|gal|mother|mum|mom",
        "man": "men|male|guy|boy|gentleman|masculine|dude|father|dad",
    },
    "age": {
        "old": "older|elderly|aged|age (?:her|him|them)|senior|pensioner|ancient|oldest"
        "|wrinkles|wrinkled|wrinkly|(?:5|6|7|8|9)\\d(?: years? old| years?|s|-year-old)?",
        "young": "younger|youthful|teenager|teenage|teen|youngest|kid|child"
        "|(?:1|2|3)\\d(?: years? old| years?|s|-year-old)?",
    },
    "hair": {
        "short": "short hair|short-haired|crew cut|buzz ?cut|pixie cut|hair short|shorter hair"
        "|hair shorter|shorter|crop|cropped hair|cut (?:her|his|their|the) hair|haircut",
        "bob": "bob cut|bob haircut",
        "long": "long hair|longer hair|long-haired|hair long|hair longer|longer|grow (?:her"
        r"|his) hair"
        "|let (?:her|his) hair grow|flowing hair",
        "curly": "curls|curlier|curly-haired|ringlets|perm|wavy",
        "bun": "buns|hair up|topknot|top knot|chignon",
        "afro": "afro hair|frizzy",
        "bald": "no hair|hairless|shave (?:her|his|their|the) head|shaved head|baldness|balder"
        "|(?:remove|lose|shave(?: off)?|cut off|take off|delete) (?:all )?"
        "(?:(?:of )?(?:her|his|their|the) )?hair|without (?:any )?hair|skinhead"
        "|cut (?:her|his|their|the) hair off",
    },
    "hair_color": {
        "blonde": "blond|blondes?",
        "red": "redhead|ginger|redheaded|auburn",
        "brown": "brunette|chestnut",
        "black": "raven|dark-haired",
        "gray": "gr[ae]ying",
    },
    "skin": {
        "light": "pale|paler|fair-skinned|fair skin|pale skin",
        "tan": "tanned|suntan|suntanned|olive skin|sun-kissed",
        "dark": "dark-skinned|black skin",
    },
    "headwear": {
        "hat": "hats|sunhat|cap|straw hat|bowler|fedora",
        "beanie": "beanies|(?:wool|woolly|woolen|woollen|knitted|knit|bobble|ski) (?:hat|cap)"
        "|toque|woolly",
        "fur hat": "furry hat|fluffy hat|ushanka|winter hat|winter cap|fur cap|russian hat"
        "|warm hat|hat (?:of|made of|in) fur",
    },
    "eyewear": {
        "glasses": "spectacles|eyeglasses|specs|eye glasses|reading glasses|pair of glasses",
        "sunglasses": "shades|sun glasses|dark glasses|sunnies|sunglass|pair of sunglasses",
        "eyepatch": "eye patch|eye-patch|pirate patch|patch",
    },
    "facial_hair": {
        "beard": "beards|bearded|full beard|goatee|stubble",
        "moustache": "mustache|moustaches|mustaches|moustachioed|'?tache",
        "none": "clean-shaven|clean shaven|shave (?:him|her|it|them)(?: off)?|shaved(?! head)"
        "|shave(?!d| (?:her|his|the) head)",
    },
    "expression": {
        "smiling": "smile|smiles|smiley|happy|happier|cheerful|grin|grinning|laugh|laughing|joyful"
        "|glad|cheer (?:her|him) up|beaming|friendlier|friendly|delighted",
        "serious": "neutral|smile less|stern|straight face|(?:not|stop|without|less|no longer"
        "|don't|no more) "
        "(?:smil(?:e|ing)|grinning|laughing)|(?:wipe|remove|lose|take) (?:off )?(?:that|the|her"
        "|his)"
        " (?:smile|grin)(?: off)?|earnest|unsmiling|solemn|expressionless|poker face|grave",
        "sad": "sadder|unhappy|crying|cry|frown|frowning|gloomy|upset|miserable|melancholy"
        "|sorrowful|not happy|down in the mouth|depressed",
        "surprised": "shocked|amazed|astonished|startled|surprise|stunned|mouth open|open mouth"
        "|astounded",
    },
    "clothing": {
        "t-shirt": "t-shirts|tshirt|tee|t shirt|tee shirt|tee-shirt|shirt",
        "hoodie": "hoodies|hooded sweatshirt|hoody|sweatshirt|hooded top",
        "sweater": "jumper|pullover|sweaters|cardigan|knitwear|jersey",
        "overalls": "overall|dungarees|dungaree",
        "blazer": "suit|jacket|suit jacket|blazers|sports coat|coat",
    },
}
"""Attribute to value to the other ways of saying it (regular expressions, longest match wins)."""

UNKNOWN = {
    "headwear": "crown|tiara|helmet|turban|headband|hijab|bonnet|wig|veil|sombrero|top hat|halo",
    "eyewear": "monocle|goggles|contact lenses",
    "hair": "pony ?tails?|braids?|dreadlocks|mohawk|pigtails|bangs|mullet|cornrows",
    "expression": "angry|angrier|furious|mad|annoyed|disgusted|scared|afraid|frightened|worried"
    "|bored|tired|confused|wink|winking|proud|scowl|scowling",
    "clothing": "tie|scarf|vest|uniform|kimono|bikini|tuxedo|waistcoat|spacesuit|armou?r",
}
"""Attribute to what people ask for there and nobody here can draw."""

THINGS = {
    "hair": "hair|haircolou?r|hairdo|hairstyle|hair style|locks",
    "hair_color": "hair colou?r|colou?r of (?:her|his|the) hair",
    "skin": "skin|skin tone|skin colou?r|complexion",
    "headwear": "headwear|headgear|on (?:her|his|the) head|head covering",
    "headwear_color": "(?:hat|beanie) colou?r|colou?r of (?:her|his|the) (?:hat|beanie)",
    "eyewear": "eyewear|in front of (?:her|his) eyes",
    "facial_hair": "facial hair",
    "expression": "expression|facial expression|face|mood|look on (?:her|his) face",
    "clothing": "clothing|clothes|outfit|(?<!on )top|garment|dress(?! (?:her|him|them))",
    "clothing_color": "colou?r of (?:her|his|the) (?:clothes|clothing|shirt|t-shirt|hoodie|sweater"
    "|overalls|blazer|jumper|outfit|top)|(?:shirt|t-shirt|hoodie|sweater|jumper|blazer|jacket"
    "|overalls|outfit|top|clothing|clothes)(?:'s)? colou?r",
    "background": "background|backdrop|wall|behind (?:her|him|them)|scenery|bg|background colou?r",
    "color": "colou?r|shade|hue",
    "age": "age",
    "gender": "gender|sex",
}
"""Attribute to the words for the thing itself, when they carry no value."""

SHADES = {
    "red": "crimson|scarlet|ruby|cherry|maroon",
    "blue": "navy|azure|turquoise|cyan|sky blue|navy blue|teal|bluish",
    "green": "emerald|lime|olive(?! skin)|mint",
    "yellow": "golden|gold|mustard",
    "white": "cream|ivory|snow-white|whiter",
    "pink": "magenta|rose|fuchsia",
    "purple": "violet|lilac|lavender|mauve|indigo",
    "gray": "grey|silver",
    "black": "jet black|pitch black",
    "brown": "chocolate",
    "blonde": "",
    "orange": "beige",
}
"""Colours to their other names; those after the list of the world cannot be drawn everywhere."""

COMPARED = {
    "skin": {"darker": 1, "lighter": -1, "browner": 1, "fairer": -1, "more tanned": 1},
    "hair_color": {"darker": -1, "lighter": 1, "fairer": 1, "dark": -1, "light": 1},
}
LADDERS = {"skin": VALUES["skin"], "hair_color": ("black", "brown", "blonde")}
"""The values that "darker" and "lighter" climb."""

_OTHERS: dict[Kind, str] = {
    "it": "it|that one|this one|ones?|that|this|them|same",
    "other": "different|another|other|new|something else|don't like|do not like|hate|dislike|else",
    "change": "change",
    "more": "darker|lighter|browner|fairer|more tanned|dark|light",
    "remove": "nothing|remove|take off|takes off|take away|taking off|lose|loses|without"
    "|get rid of|delete"
    "|drop|strip|ditch|no more|no longer|erase|not|no|minus|stop|isn't|wasn't|less"
    "|(?:take|taking)(?= (?:\\S+ ){1,3}(?:off|away))|(?:don't|doesn't|do not|does not|shouldn't"
    "|should not|not|didn't) (?:want|need|have|wear)(?:ing)?|doesn't|wipe|rid",
    "to": "to|into|with|for|by|as|in|be|is|should be|are|were",
}


def _patterns() -> list[tuple[re.Pattern[str], Mention]]:
    """Return every phrase as a pattern with what it means."""
    rows: list[tuple[str, Mention]] = []
    for name, values in VALUES.items():
        for value in values:
            also = SAID.get(name, {}).get(value, "")
            own = [] if value in COLORS or value in _SHARED or value == "none" else [value]
            rows += [(p, Mention("value", name, value)) for p in own + _alternatives(also)]
    rows += [(p, Mention("value", "facial_hair", "none"))
             for p in _alternatives(SAID["facial_hair"]["none"])]  # fmt: skip
    for name, words in THINGS.items():
        rows += [(p, Mention("thing", name)) for p in _alternatives(words)]
    for name, words in UNKNOWN.items():
        rows += [(p, Mention("unknown", name)) for p in _alternatives(words)]
    for color, words in SHADES.items():
        rows += [(p, Mention("color", value=color)) for p in [color, *_alternatives(words)]]
    for kind, words in _OTHERS.items():
        rows += [(p, Mention(kind, value=p)) for p in _alternatives(words)]
    whole = [(re.compile(rf"(?<![\w@-])(?:{p})(?![\w-])"), mention) for p, mention in rows]
    return whole


_SHARED = frozenset({"light", "dark", "gray", "brown", "blonde", "black", "red", "pink"})
"""Values whose bare word names no attribute: the thing beside it does."""


def _alternatives(words: str) -> list[str]:
    """Split at the bars outside all parentheses."""
    found, depth, last = [], 0, ""
    for letter in words:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "|" and depth == 0:
            found.append(last)
            last = ""
        else:
            last += letter
    return [p for p in [*found, last] if p]


_PATTERNS = _patterns()
_FAMILY = {
    r"(?:grandma|grandmother|granny|nana)": "old woman",
    r"(?:grandpa|grandfather|grandad|granddad)": "old man",
}


def mentions(clause: str) -> list[Mention]:
    """Find what a clause mentions, in the order of its words; longer phrases win."""
    for word, meant in _FAMILY.items():
        clause = re.sub(rf"\b{word}\b", meant, clause)
    found = [
        Mention(mention.kind, mention.attribute, mention.value, *match.span())
        for pattern, mention in _PATTERNS
        for match in pattern.finditer(clause)
    ]
    kept: list[Mention] = []
    for mention in sorted(found, key=lambda m: m.start - m.end):
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
            kept.append(mention)
    return sorted(kept, key=lambda mention: mention.start)


_OFTEN_MISTYPED = (
    "background beanie beard black blazer blonde brown clothes curly different expression eyepatch"
    " glasses green happy headwear hoodie jacket jumper moustache mustache older original overalls"
    " purple remove replace serious smiling spectacles sunglasses surprised sweater t-shirt white"
    " woman yellow young younger"
).split()
_SPELT_SO = frozenset(
    "back bear bread board greet trousers order difference differently header remote origin".split()
)


def corrected(text: str) -> str:
    """Mend light typing errors in the words that matter most."""

    def mend(match: re.Match[str]) -> str:
        word = match[0]
        if word in _SPELT_SO or any(m.end - m.start == len(word) for m in mentions(word)):
            return word
        swapped = (k for k in _OFTEN_MISTYPED if k[0] == word[0] and sorted(k) == sorted(word))
        cutoff = 0.83 if len(word) > 4 else 0.88
        near = get_close_matches(word, _OFTEN_MISTYPED, n=1, cutoff=cutoff)
        alike = near[0] if near and near[0][0] == word[0] else word
        return next(swapped, alike)

    return re.sub(r"(?<![\w@-])[a-z-]{4,}(?![\w-])", mend, text)
