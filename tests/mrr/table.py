"""Expected monthly value of every shape under every policy, in major units.

`?`: the policy's vendor states nothing; the value is then the one of `plumbline`. A word in place
of a value is what is missing. `+` names what is laid beside the shape's objects (see `beside.py`).
Rows are the shapes of `plumbline_simulators.shapes`, numbered as the cases they belong to.
"""

from dataclasses import dataclass
from typing import Final

COLUMNS: Final = ("plumbline", "stripe_default", "chartmogul", "baremetrics", "profitwell")

TABLE: Final = """
row          in   plumbline  stripe  chartmogul  baremetrics  profitwell
1            usd  100        100     100         100          100
2            usd  100        100     100         100          100
3            usd  100        100     100         100          100
4            usd  100        100     100         100          100
5a           usd  100        100     100         100          100
5b           usd  100        100     100         100          100
6            usd  43.33      ?       ?           ?            ?
7            usd  108.33     ?       ?           ?            ?
8            usd  30.42      ?       ?           ?            ?
9            usd  30.42      ?       ?           ?            ?
10           usd  100        100     100         100          100
11a          usd  0          0       0           0            0
11b          usd  0          0       0           0            0
12           usd  80         80      80          80           80
13           usd  120        120     120         120          120
14           usd  150        150     150         150          150
15           usd  0          0       0           ?            0
15+usage     usd  0          0       0           ?            60
16           usd  100        100     100         ?            160
17           usd  140        140     140         ?            ?
18           usd  120        120     120         ?            ?
19a          usd  70         70      70          ?            ?
19b          usd  60         60      60          ?            ?
20           usd  20         20      20          ?            ?
21           usd  50         50      50          ?            ?
22           usd  50         50      50          50           50
23           usd  9          9       9           9            9
24           usd  100        100     80          80           80
25           usd  100        100     50          50           50
26           usd  50         100     50          50           50
27           usd  50         100     50          50           50
28           usd  80         80      80          80           80
29           usd  90         90      90          90           90
30           usd  70         100     70          70           70
31           usd  0          0       0           0            0
32           usd  0          0       0           0            0
33           usd  80         80      80          ?            80
34           usd  100        100     100         ?            ?
35a          usd  70         70      70          ?            ?
35b          usd  90         90      90          ?            ?
36           usd  100        100     100         100          100
37           usd  discount:di_1  discount:di_1  ?  ?          ?
37+fetched   usd  50         50      ?           ?            ?
38           usd  0          0       0           ?            0
38b          usd  0          0       0           ?            0
39           usd  0          0       ?           ?            0
39b          usd  0          0       ?           ?            0
40a          usd  0          0       0           ?            0
40b          usd  0          0       0           ?            0
41           usd  100        100     100         100          100
41+old       usd  100        100     100         0            100
42           usd  0          0       100         100          0
42+old       usd  0          0       100         0            0
43           usd  0          0       0           0            0
44           usd  100        0       100         ?            100
45           usd  100        0       100         ?            100
46           usd  100        100     100         ?            100
47a          usd  0          100     100         ?            0
47b          usd  0          100     100         ?            0
48           usd  100        100     0           ?            0
49           usd  100        100     100         ?            ?
50           usd  100        100     100         ?            100
51a          usd  100        100     100         ?            100
51b          usd  100        100     100         ?            100
52           usd  100        100     100         ?            100
53           usd  0          0       0           ?            0
54           usd  0          0       0           ?            0
55           usd  150        150     150         150          150
56           usd  50         50      50          50           50
57           usd  150        150     150         ?            ?
57+invoiced  usd  150        150     100         ?            ?
58           usd  100        100     100         ?            100
59           usd  100        100     ?           ?            85
60           usd  100        100     100         ?            100
61           usd  0          0       0           ?            0
62           usd  100        100     100         ?            100
63           usd  100        100     100         ?            100
64           jpy  10000      10000   10000       ?            10000
64           usd  100        100     100         ?            80
65           kwd  10.000     10.000  ?           ?            ?
66           usd  210        210     210         ?            220
67           usd  110        110     ?           ?            120
68           eur  90         90      ?           ?            ?
69           usd  0          0       0           ?            0
70           usd  100        100     100         ?            100
71           usd  100        100     ?           ?            ?
72           usd  100        100     100         ?            ?
73           usd  100        100     ?           ?            ?
74           usd  150        ?       ?           ?            ?
75           usd  100        100     ?           ?            ?
76           usd  120.66     120.66  120.66      ?            ?
77a          usd  100        100     ?           ?            ?
77b          usd  100        100     ?           ?            ?
78           usd  8.33       8.33    8.33        8.33         8.33
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """One row under one policy. `stated`: the policy's vendor publishes the value."""

    row: str
    currency: str
    policy: str
    expected: str
    stated: bool

    @property
    def id(self) -> str:
        """What the test is called."""
        return f"{self.row}-{self.currency}-{self.policy}"


def pairs() -> list[Pair]:
    """Every row under every policy."""
    found = []
    for line in TABLE.strip().splitlines()[1:]:
        row, currency, *values = line.split()
        assert len(values) == len(COLUMNS), line
        for policy, value in zip(COLUMNS, values, strict=True):
            expected = values[0] if value == "?" else value
            found.append(Pair(row, currency, policy, expected, stated=value != "?"))
    return found


PAIRS: Final = pairs()
