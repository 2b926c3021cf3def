"""The five tables of the UCI repository that tasks draw rows from, and how their files are written.

The names of columns and files are those of the archives, and the numbers of rows those of the
repository's pages. OpenML has some of the tables too, with the same names and values.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_YES_NO = {"0": 0, "1": 1}


@dataclass(frozen=True, eq=False)
class Form:
    """One way in which a table is published.

    Attributes:
        files: The files that hold it together.
        target: Name of the column of labels.
        labels: The label that each of its values stands for.
        delimiter: What separates the values of a row.
        names: The columns of files that do not name them; empty if the first line does.
    """

    files: tuple[str, ...]
    target: str
    labels: Mapping[str, int]
    delimiter: str = ","
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Source:
    """A table of the UCI repository.

    Attributes:
        title: What messages call it.
        columns: Names of the columns of its inputs, in order.
        numeric: Positions of those that hold numbers; the others hold categories.
        rows: Number of rows.
        forms: The ways in which it is published.
        address: From where one of the forms can be downloaded, perhaps within an archive.
        openml: Number of the same table at OpenML, whose values are those of the first form; None
            if it is not known to be there.
    """

    title: str
    columns: tuple[str, ...]
    numeric: frozenset[int]
    rows: int
    forms: tuple[Form, ...]
    address: str
    openml: int | None = None


_FILES = "https://archive.ics.uci.edu/static/public"


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ADULT = _names(
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex "
    "capital-gain capital-loss hours-per-week native-country"
)
_MUSHROOM = _names(
    "cap-diameter cap-shape cap-surface cap-color does-bruise-or-bleed gill-attachment "
    "gill-spacing gill-color stem-height stem-width stem-root stem-surface stem-color veil-type "
    "veil-color has-ring ring-type spore-print-color habitat season"
)
_DIABETES = _names(
    "HighBP HighChol CholCheck BMI Smoker Stroke HeartDiseaseorAttack PhysActivity Fruits Veggies "
    "HvyAlcoholConsump AnyHealthcare NoDocbcCost GenHlth MentHlth PhysHlth DiffWalk Sex Age "
    "Education Income"
)
_HTRU2 = _names(
    "Profile_mean Profile_stdev Profile_kurtosis Profile_skewness DM_mean DM_stdev DM_kurtosis "
    "DM_skewness"
)
_CHESS = _names(
    "bkblk bknwy bkon8 bkona bkspr bkxbq bkxcr bkxwp blxwp bxqsq cntxt dsopp dwipd hdchk katri "
    "mulch qxmsq r2ar8 reskd reskr rimmx rkxwp rxmsq simpl skach skewr skrxp spcop stlmt thrsk "
    "wkcti wkna8 wknck wkovl wkpos wtoeg"
)

ADULT = Source(
    "adult income",
    _ADULT,
    frozenset({0, 2, 4, 10, 11, 12}),
    48_842,
    (
        Form(
            ("adult.data", "adult.test"),
            "class",
            # The test file ends each label with a full stop.
            {">50K": 1, ">50K.": 1, "<=50K": 0, "<=50K.": 0},
            names=(*_ADULT, "class"),
        ),
    ),
    f"{_FILES}/2/adult.zip",
    openml=1590,
)
MUSHROOM = Source(
    "secondary mushroom",
    _MUSHROOM,
    frozenset({0, 8, 9}),
    61_069,
    (Form(("secondary_data.csv",), "class", {"e": 1, "p": 0}, delimiter=";"),),
    f"{_FILES}/848/secondary+mushroom+dataset.zip",
)
DIABETES = Source(
    "CDC diabetes health indicators",
    _DIABETES,
    frozenset({3, 13, 14, 15, 18, 19, 20}),
    253_680,
    (
        Form(("diabetes_binary_health_indicators_BRFSS2015.csv",), "Diabetes_binary", _YES_NO),
        # Prediabetes, which is 1 here, counts as no in the binary file.
        Form(
            ("diabetes_012_health_indicators_BRFSS2015.csv",),
            "Diabetes_012",
            {"0": 0, "1": 0, "2": 1},
        ),
        Form(("data.csv",), "Diabetes_binary", _YES_NO),
    ),
    f"{_FILES}/891/data.csv",
)
HTRU2 = Source(
    "HTRU2",
    _HTRU2,
    frozenset(range(8)),
    17_898,
    tuple(
        Form((name,), "class", _YES_NO, names=(*_HTRU2, "class"))
        for name in ("HTRU_2.csv", "HTRU_2.arff", "HTRU2.arff")
    ),
    f"{_FILES}/372/htru2.zip",
)
CHESS = Source(
    "chess (king-rook against king-pawn)",
    _CHESS[:35],
    frozenset(),
    3_196,
    (Form(("kr-vs-kp.data",), "class", {"won": 1, "nowin": 0}, names=(*_CHESS, "class")),),
    f"{_FILES}/22/chess+king+rook+vs+king+pawn.zip",
    openml=3,
)
