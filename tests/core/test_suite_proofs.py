"""The expected answers of the shipped suite, found once more: programs are run, puzzles are solved
by trying everything, counts are made over the things themselves."""

import contextlib
import io
import itertools
import re
import sqlite3
import subprocess
from bisect import bisect_left
from fractions import Fraction
from functools import cache

import pytest

from core.checks import deterministic, formatted
from core.suite import builtin_tasks

TASKS = {task.id: task for task in builtin_tasks()}
PRINTS = [name for name in TASKS if name.startswith("coding-what-prints-")]

_SYMBOLS_AND_NAMES = """
H hydrogen He helium Li lithium Be beryllium B boron C carbon N nitrogen O oxygen
F fluorine Ne neon Na sodium Mg magnesium Al aluminium Si silicon P phosphorus S sulfur Cl chlorine
Ar argon K potassium Ca calcium Sc scandium Ti titanium V vanadium Cr chromium Mn manganese Fe iron
Co cobalt Ni nickel Cu copper Zn zinc Ga gallium Ge germanium As arsenic Se selenium Br bromine
Kr krypton Rb rubidium Sr strontium Y yttrium Zr zirconium Nb niobium Mo molybdenum Tc technetium
Ru ruthenium Rh rhodium Pd palladium Ag silver Cd cadmium In indium Sn tin Sb antimony Te tellurium
I iodine Xe xenon Cs caesium Ba barium La lanthanum Ce cerium Pr praseodymium Nd neodymium
Pm promethium Sm samarium Eu europium Gd gadolinium Tb terbium Dy dysprosium Ho holmium Er erbium
Tm thulium Yb ytterbium Lu lutetium Hf hafnium Ta tantalum W tungsten Re rhenium Os osmium
Ir iridium Pt platinum Au gold Hg mercury Tl thallium Pb lead Bi bismuth Po polonium At astatine
Rn radon Fr francium Ra radium Ac actinium Th thorium Pa protactinium U uranium Np neptunium
Pu plutonium Am americium Cm curium Bk berkelium Cf californium Es einsteinium Fm fermium
Md mendelevium No nobelium Lr lawrencium Rf rutherfordium Db dubnium Sg seaborgium Bh bohrium
Hs hassium Mt meitnerium Ds darmstadtium Rg roentgenium Cn copernicium Nh nihonium Fl flerovium
Mc moscovium Lv livermorium Ts tennessine Og oganesson"""
ELEMENTS = _SYMBOLS_AND_NAMES.split()
_LETTERS = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho
sigma tau upsilon phi chi psi omega"""
GREEK = _LETTERS.split()


def program(name: str) -> str:
    return TASKS[name].prompt.split("\n\n", 1)[1]


def printed(source: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(source, {})
    return out.getvalue().strip()


@pytest.mark.parametrize("name", PRINTS)
def test_what_the_programs_print_is_expected(name):
    assert deterministic(printed(program(name)), TASKS[name].spec) == 10


def unnumbered(name: str) -> list[str]:
    return [re.sub(r"^\d+ {1,3}", "", line) for line in program(name).splitlines()]


def endless_search() -> int:
    """The only line that, changed to narrow the search, makes it right on every small case."""
    lines = unnumbered("coding-endless-search")
    lines[5] = lines[5].replace("middle", "middle + 1")
    space = {}
    exec("\n".join(lines), space)
    for size in range(5):
        for values in itertools.combinations_with_replacement(range(5), size):
            for wanted in range(-1, 6):
                assert space["first_at_least"](values, wanted) == bisect_left(values, wanted)
    return 6


def shell() -> str:
    return subprocess.run(
        ["sh", "-c", program("coding-shell-words")], capture_output=True, text=True, check=True
    ).stdout


def sql() -> int:
    database = sqlite3.connect(":memory:")
    *before, last, _ = program("coding-sql-three-valued").strip().split(";")
    database.executescript(";".join(before) + ";")
    (found,) = database.execute(last).fetchone()
    database.close()
    return found


def wrapped_size() -> int:
    return next(n for n in range(2**32 // 12 - 5, 2**32) if n * 12 >= 2**32)


def loose_pattern() -> int:
    text = program("coding-security-loose-pattern")
    space = {"re": re}
    exec(text.split("\n\n")[0], space)
    found = [n for n, url in re.findall(r"(?m)^(\d)  (\S+)$", text) if space["accepted"](url)]
    assert len(found) == 1
    return int(found[0])


def keystream() -> str:
    name = "coding-security-keystream-twice"
    first, second = (
        bytes.fromhex(found)
        for found in re.findall(r"(?:[0-9a-f]{2} ){5}[0-9a-f]{2}", TASKS[name].prompt)
    )
    return bytes(a ^ b ^ c for a, b, c in zip(first, second, b"anchor", strict=True)).decode()


def bench() -> int:
    def good(seats: tuple[str, ...]) -> bool:
        at = {name: seat for seat, name in enumerate(seats)}
        apart = all(abs(at["B"] - at[other]) > 1 for other in "AC")
        return apart and at["D"] < at["E"] and at["F"] not in (0, 5)

    return sum(map(good, itertools.permutations("ABCDEF")))


def calendar() -> str:
    days = ["Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Monday"]
    return days[(28 - 10 + 31 + 30 + 1) % 7]


def buttons() -> int:
    hands = itertools.product(range(10), range(8), range(3))
    return 1 + max(sum(hand) for hand in hands if max(hand) < 4)


def walk() -> float:
    place, ahead = 0 + 0j, 1j
    for command in (5, "R", 7, "R", 9, "L", 2, "L", 16):
        if isinstance(command, int):
            place += command * ahead
        else:
            ahead *= -1j if command == "R" else 1j
    return abs(place)


def witnesses() -> str:
    said = {
        "A": lambda t: (not t["B"]) != (not t["C"]),
        "B": lambda t: not t["A"] or not t["C"],
        "C": lambda t: t["A"] == t["D"],
        "D": lambda t: sum(t.values()) == 2,
        "E": lambda t: not t["C"],
    }
    worlds = (dict(zip(said, w, strict=True)) for w in itertools.product((True, False), repeat=5))
    (only,) = [w for w in worlds if all(said[name](w) == w[name] for name in said)]
    return "".join(name for name in only if only[name])


def runners() -> str:
    def good(order: tuple[str, ...]) -> bool:
        at = {name: place for place, name in enumerate(order)}
        return (
            at["F"] < at["H"]
            and abs(at["G"] - at["K"]) == 2
            and at["I"] not in (0, 5)
            and at["J"] == at["H"] + 1
            and at["K"] < at["F"]
            and at["I"] < at["G"]
        )

    (only,) = filter(good, itertools.permutations("FGHIJK"))
    return "".join(only)


def cooks() -> int:
    """The best of every order of starting and every choice of cook."""
    minutes = {"A": 4, "B": 3, "C": 6, "D": 5, "E": 7, "F": 4, "G": 2}
    after = {"C": "A", "D": "B", "F": "CD", "G": "E"}
    best = sum(minutes.values())
    for order in itertools.permutations(minutes):
        if any(order.index(first) > order.index(job) for job in after for first in after[job]):
            continue
        for who in itertools.product((0, 1), repeat=7):
            free, end = [0, 0], {}
            for job, cook in zip(order, who, strict=True):
                begin = max(free[cook], *(end[first] for first in after.get(job, "")), 0)
                free[cook] = end[job] = begin + minutes[job]
            best = min(best, max(free))
    return best


def game() -> int:
    @cache
    def wins(heap: int, last: int) -> bool:
        return any(m <= heap and m != last and not wins(heap - m, m) for m in (1, 4, 7))

    return sum(not wins(heap, 0) for heap in range(1, 26))


def clock() -> int:
    return sum(len(set(f"{h:02}{m:02}")) == 4 for h in range(24) for m in range(60))


def minutes_total() -> Fraction:
    choir = Fraction(2750, 11) * (11 - 3)
    return 18_400 + 1_150 + choir + 52 * 85 * Fraction(9, 10)


SOLVED = {
    "coding-endless-search": endless_search,
    "coding-shell-words": shell,
    "coding-sql-three-valued": sql,
    "coding-security-wrapped-size": wrapped_size,
    "coding-security-loose-pattern": loose_pattern,
    "coding-security-keystream-twice": keystream,
    "coding-security-small-exponent": lambda: next(m for m in range(10**5) if m**3 == 77909194511),
    "factual-qa-one-letter-symbols": lambda: sum(len(s) == 1 for s in ELEMENTS[::2]),
    "factual-qa-foreign-symbols": lambda: sum(
        symbol[0].lower() != name[0] for symbol, name in zip(*[iter(ELEMENTS)] * 2, strict=True)
    ),
    "factual-qa-three-letter-letters": lambda: sum(len(name) == 3 for name in GREEK),
    "instruction-following-quoted-order": lambda: len(
        TASKS["instruction-following-quoted-order"].prompt.split("---")[1].split()
    ),
    "reasoning-change-from-fifty": lambda: 50 - 20,
    "reasoning-calendar-gap": calendar,
    "reasoning-divisible-numbers": lambda: sum(
        (n % 4 == 0 or n % 6 == 0) and n % 9 != 0 for n in range(1, 1001)
    ),
    "reasoning-six-on-a-bench": bench,
    "reasoning-buttons-in-the-dark": buttons,
    "reasoning-there-and-back": lambda: 2 / (Fraction(1, 3) + Fraction(1, 15)),
    "reasoning-robot-walk": walk,
    "reasoning-four-different-digits": clock,
    "reasoning-five-witnesses": witnesses,
    "reasoning-six-runners": runners,
    "reasoning-two-cooks": cooks,
    "reasoning-no-move-twice": game,
    "summarization-corrected-figure": lambda: (412 - 18) - (37 - 5),
    "summarization-approved-in-total": minutes_total,
}


@pytest.mark.parametrize("name", SOLVED)
def test_what_is_expected_is_found_by_computing_it(name):
    assert deterministic(str(SOLVED[name]()), TASKS[name].spec) == 10


def test_the_elements_and_letters_counted_are_complete():
    assert (len(ELEMENTS), len(set(ELEMENTS[::2])), len(GREEK)) == (236, 118, 24)


def test_the_endless_search_is_endless():
    source = "\n".join(unnumbered("coding-endless-search"))
    counted = source.replace("while low < high:", "while low < high and next(steps):")
    space = {"steps": iter([True] * 99)}
    exec(counted, space)
    with pytest.raises(StopIteration):
        space["first_at_least"]([1], 2)


def test_no_other_potters_need_be_bakers():
    potters, swimmers, bakers = {1}, {1, 2}, {2}
    assert potters <= swimmers
    assert swimmers & bakers
    assert not potters & bakers


def test_the_chain_of_rules_leads_to_the_expected_line():
    task = TASKS["instruction-following-chain-of-rules"]
    words = re.search(r"words: (.*)\.", task.prompt)[1].split(", ")
    kept = [word for word in words if len(word) >= 5][::-1]
    kept = [w.upper() if n % 2 else w.replace("e", "3") for n, w in enumerate(kept)]
    assert formatted(" / ".join([*kept[1:], kept[0]]), task.spec) == 10


def test_the_word_backwards_is_expected():
    task = TASKS["instruction-following-backwards"]
    assert formatted("-".join("pomegranate"[::-1].upper()), task.spec) == 10


def test_the_shown_limiter_is_right():
    space = {}
    exec(TASKS["coding-sliding-window"].spec["reference"], space)
    allow = space["Limiter"](2, 10.0).allow
    calls = [(0, True), (4, True), (9, False), (10, True), (13.5, False), (14, True), (14, False)]
    assert [allow(now) for now, _ in calls] == [allowed for _, allowed in calls]


def test_the_shown_merge_is_right():
    space = {}
    exec(TASKS["coding-interval-merge"].spec["reference"], space)
    given = [(5, 7), (1, 3), (3, 4), (5, 6), (9, 9)]
    assert space["merge"](given) == [(1, 4), (5, 7), (9, 9)]
    assert given[0] == (5, 7)
    assert space["merge"]([]) == []
