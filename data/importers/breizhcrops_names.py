"""Names and colours of BreizhCrops' crops: English for the codes and groups of France's parcel register (RPG), ACI colours.

The French names come with the data (`codes.csv`). The register's codes are three letters or digits; `code_of` makes them numbers.
"""

from data import aci

# Group of codes.csv -> (English name, ACI code whose official colour it wears; None = grey)
GROUPS: dict[int, tuple[str, int | None]] = {
    1: ("Wheat", 140), 2: ("Maize", 147), 3: ("Barley", 133), 4: ("Other cereal", 132), 5: ("Rapeseed", 153), 6: ("Sunflower", 157),
    7: ("Other oilseed", 150), 8: ("Protein crop", 160), 9: ("Fibre plant", 197), 11: ("Fallow", 131), 14: ("Rice", 134),
    15: ("Grain legume", 161), 16: ("Fodder", 122), 17: ("Rough grazing and heath", 50), 18: ("Permanent meadow", 110),
    19: ("Temporary meadow", 122), 20: ("Orchard", 188), 21: ("Vineyard", 190), 22: ("Nuts", 189), 23: ("Olives", 188),
    24: ("Other industrial crop", 199), 25: ("Vegetables or flowers", 175), 26: ("Sugar cane", None), 28: ("Miscellaneous", None),
}  # fmt: skip

# Learned class of classmapping.csv -> (French name, ACI code)
CLASSES: dict[str, tuple[str, int | None]] = {
    "barley": ("orge", 133), "wheat": ("blé", 140), "rapeseed": ("colza", 153), "corn": ("maïs", 147), "sunflower": ("tournesol", 157),
    "orchards": ("vergers", 188), "nuts": ("fruits à coque", 189), "permanent meadows": ("prairies permanentes", 110),
    "temporary meadows": ("prairies temporaires", 122), "fodder": ("fourrage", 122), "fallow": ("jachère", 131),
    "miscellaneous": ("divers", None), "vegetables or flowers": ("légumes ou fleurs", 175), "other cereals": ("autres céréales", 132),
    "protein crops": ("protéagineux", 160),
}  # fmt: skip

# The codes that are frequent in Brittany, and all of the nine learned classes.
ENGLISH = {
    "BTH": "Winter wheat", "BTP": "Spring wheat", "MID": "Sweet corn", "MIE": "Silage maize", "MIS": "Maize", "ORH": "Winter barley",
    "ORP": "Spring barley", "AVH": "Winter oats", "AVP": "Spring oats", "EPE": "Spelt", "MCR": "Cereal mixture", "SGH": "Winter rye",
    "SOG": "Sorghum", "SRS": "Buckwheat", "TTH": "Winter triticale", "TTP": "Spring triticale", "CZH": "Winter rapeseed",
    "CZP": "Spring rapeseed", "TRN": "Sunflower", "SOJ": "Soybean", "LIF": "Fibre flax", "CHV": "Hemp", "PHI": "Winter peas",
    "PPR": "Spring peas", "FVL": "Field beans", "J5M": "Fallow up to 5 years", "J6P": "Fallow of 6 years and more",
    "J6S": "Ecological fallow of 6 years and more", "LUZ": "Lucerne", "TRE": "Clover", "BVF": "Fodder beet", "CHF": "Fodder cabbage",
    "MLG": "Legumes and grasses up to 5 years", "PPH": "Permanent meadow", "PRL": "Meadow in long rotation (6 years and more)",
    "PTR": "Temporary meadow up to 5 years", "RGA": "Ryegrass up to 5 years", "BOP": "Grazed wood", "SPH": "Rough grazing, herbs",
    "SPL": "Rough grazing, woody", "AGR": "Citrus", "PFR": "Small red fruit", "PWT": "Williams pears for processing", "VRG": "Orchard",
    "CAB": "Carob", "CTG": "Chestnut", "NOS": "Hazelnut", "NOX": "Walnut", "PIS": "Pistachio", "PTC": "Potato", "PPO": "Green peas",
    "HAR": "Beans", "EPI": "Spinach", "CHU": "Cabbage", "ART": "Artichoke", "CAR": "Carrot", "POR": "Leek", "OIG": "Onion or shallot",
    "FRA": "Strawberry", "BOR": "Field margin", "BTA": "Buffer strip", "MCT": "Miscanthus", "SNE": "Farmland out of use for now",
    "ZZZ": "Unknown crop",
}  # fmt: skip
GREY = "#9a9a9a"


def code_of(crop: str) -> int:
    """The number of a crop code of the register: its letters and digits read in base 36, so BTH is 15317 for ever; 0 = none.

    Not the class number of classmapping.csv: several crops share a class, and the published mappings number them differently.
    """
    crop = crop.strip().upper()
    return int(crop, 36) if 1 <= len(crop) <= 3 and crop.isascii() and crop.isalnum() else 0


def crop_of(code: int) -> str:
    """The crop code of a number: the inverse of `code_of`."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return digits[code // 1296] + digits[code // 36 % 36] + digits[code % 36]


def english(crop: str, group: int | None, learned: str | None) -> str:
    """A crop's English name with its code: of its own, else its group's or its class's."""
    of_group = GROUPS[group][0] if group in GROUPS else learned.capitalize() if learned else "Crop"
    return f"{ENGLISH.get(crop, of_group)} ({crop})"


def colour(aci_code: int | None) -> str:
    """The official colour of an ACI code as #rrggbb; grey for None."""
    return {entry.code: entry.color for entry in aci.legend()}.get(aci_code, GREY)
