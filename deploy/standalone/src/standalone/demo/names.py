"""What invented companies are called and where they are: lists to draw from, for three countries.

Every e-mail domain ends in `.example`, every phone number comes from a range that the country keeps
free for fiction, so nothing here can reach anybody.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """What a country's debtors are made of. `cities` are (postcode, city, region).

    `trades` are patterns with `{name}`; `phone` is a pattern whose `#` are digits.
    """

    code: str
    zone: str
    language: str
    currency: str
    trades: tuple[str, ...]
    families: tuple[str, ...]
    public_bodies: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[tuple[str, str, str], ...]
    house_first: bool
    phone: str
    mailbox: tuple[str, ...]
    terms_days: tuple[int, ...]


FRANCE = Country(
    code="FR",
    zone="Europe/Paris",
    language="fr",
    currency="EUR",
    trades=(
        "Boulangerie {name} SARL", "Menuiserie {name} et Fils SARL", "Transports {name} SAS",
        "{name} Électricité SARL", "Garage {name} SARL", "Cabinet {name} & Associés",
        "Domaine {name} SCEA", "Imprimerie {name} SAS", "Plomberie {name} EURL",
        "{name} Bâtiment SAS", "Librairie {name} SARL", "Brasserie {name} SAS",
        "Pharmacie {name} SELARL", "{name} Distribution SAS", "Ateliers {name} SAS",
        "Hôtel {name} SAS", "{name} Conseil SASU", "Fonderie {name} SA",
    ),
    families=(
        "Garnier", "Lemoine", "Roux", "Chevalier", "Marchand", "Perrin", "Delorme", "Fontaine",
        "Barbier", "Rousseau", "Lacroix", "Vasseur", "Guichard", "Morel", "Besson", "Caron",
        "Hervé", "Tessier", "Blanchet", "Coulon", "Maillard", "Renaud", "Briand", "Aubert",
    ),
    public_bodies=("Commune de {city}", "Lycée {name}, {city}", "Centre hospitalier de {city}"),
    streets=(
        "rue de la République", "avenue Victor-Hugo", "rue des Tanneurs", "quai de la Gare",
        "place du Marché", "chemin des Vignes", "rue Pasteur", "boulevard Carnot",
        "impasse du Moulin", "rue des Écoles",
    ),
    cities=(
        ("69003", "Lyon", ""), ("31000", "Toulouse", ""), ("44000", "Nantes", ""),
        ("33000", "Bordeaux", ""), ("59800", "Lille", ""), ("35000", "Rennes", ""),
        ("34000", "Montpellier", ""), ("21000", "Dijon", ""), ("38000", "Grenoble", ""),
        ("75011", "Paris", ""), ("51100", "Reims", ""), ("63000", "Clermont-Ferrand", ""),
    ),
    house_first=True,
    phone="+3363998####",
    mailbox=("compta", "comptabilite", "factures", "contact"),
    terms_days=(30, 30, 45, 60),
)  # fmt: skip

GERMANY = Country(
    code="DE",
    zone="Europe/Berlin",
    language="de",
    currency="EUR",
    trades=(
        "Bäckerei {name} GmbH", "Tischlerei {name} GmbH & Co. KG", "Spedition {name} GmbH",
        "Elektro {name} GmbH", "Autohaus {name} GmbH", "{name} Maschinenbau GmbH",
        "Weingut {name} KG", "Druckerei {name} GmbH", "{name} Sanitär e. K.",
        "{name} Bau GmbH", "Buchhandlung {name} e. K.", "Brauerei {name} KG",
        "Apotheke {name} e. K.", "{name} Großhandel GmbH", "{name} Metallbau GmbH",
        "Hotel {name} GmbH", "{name} Beratung UG", "Gießerei {name} GmbH",
    ),
    families=(
        "Hoffmann", "Krüger", "Lindner", "Vogel", "Schreiber", "Böhm", "Keller", "Winter",
        "Seidel", "Brandt", "Haas", "Graf", "Dietrich", "Ziegler", "Kuhn", "Pohl", "Engel",
        "Horn", "Busch", "Bergmann", "Voigt", "Sauer", "Arnold", "Wolff",
    ),
    public_bodies=("Stadt {city}, Kasse", "Gymnasium {name}, {city}", "Klinikum {city} gGmbH"),
    streets=(
        "Hauptstraße", "Bahnhofstraße", "Gartenweg", "Lindenallee", "Am Markt", "Industriestraße",
        "Mühlenweg", "Schillerstraße", "Kirchplatz", "Bergstraße",
    ),
    cities=(
        ("20095", "Hamburg", "HH"), ("80331", "München", "BY"), ("50667", "Köln", "NW"),
        ("70173", "Stuttgart", "BW"), ("04109", "Leipzig", "SN"), ("28195", "Bremen", "HB"),
        ("30159", "Hannover", "NI"), ("90402", "Nürnberg", "BY"), ("10115", "Berlin", "BE"),
        ("60311", "Frankfurt am Main", "HE"), ("24103", "Kiel", "SH"), ("99084", "Erfurt", "TH"),
    ),
    house_first=False,
    phone="+4917139200##",
    mailbox=("buchhaltung", "rechnung", "info", "kreditoren"),
    terms_days=(14, 14, 30, 30),
)  # fmt: skip

BRITAIN = Country(
    code="GB",
    zone="Europe/London",
    language="en",
    currency="GBP",
    trades=(
        "{name} Joinery Ltd", "{name} & Sons Ltd", "{name} Haulage Ltd", "{name} Electrical Ltd",
        "{name} Motors Ltd", "{name} Engineering Ltd", "{name} Orchards Ltd", "{name} Print Ltd",
        "{name} Plumbing Ltd", "{name} Construction Ltd", "{name} Books Ltd",
        "{name} Brewing Company Ltd", "{name} Pharmacy Ltd", "{name} Wholesale Ltd",
        "The {name} Hotel Ltd", "{name} Partners LLP", "{name} Castings Ltd",
    ),
    families=(
        "Hartley", "Ashworth", "Pemberton", "Whitfield", "Barlow", "Thornton", "Marsden",
        "Holloway", "Fletcher", "Kershaw", "Langley", "Radcliffe", "Bancroft", "Stanton",
        "Wainwright", "Crawford", "Hepburn", "Lockhart", "Merriweather", "Okafor",
    ),
    public_bodies=("{city} City Council", "{name} Academy, {city}", "{city} University Library"),
    streets=(
        "High Street", "Station Road", "Mill Lane", "Victoria Road", "Church Street",
        "Canal Street", "Park Avenue", "Queen Street", "Foundry Lane", "The Green",
    ),
    cities=(
        ("M1 1AE", "Manchester", "ENG"), ("LS1 4DY", "Leeds", "ENG"),
        ("BS1 5TR", "Bristol", "ENG"), ("NE1 7RU", "Newcastle upon Tyne", "ENG"),
        ("S1 2BJ", "Sheffield", "ENG"), ("NR2 1TF", "Norwich", "ENG"),
        ("EX1 1HS", "Exeter", "ENG"), ("YO1 7HH", "York", "ENG"), ("B2 4QA", "Birmingham", "ENG"),
    ),
    house_first=True,
    phone="+447700900###",
    mailbox=("accounts", "payables", "office", "finance"),
    terms_days=(30, 30, 30, 45),
)  # fmt: skip

COUNTRIES = (FRANCE, GERMANY, BRITAIN)
