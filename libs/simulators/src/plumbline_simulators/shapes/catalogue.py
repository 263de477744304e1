"""Every shape, in the order of its row."""

from typing import Final

from plumbline_simulators.shapes.rows_of_discounts import DISCOUNTS
from plumbline_simulators.shapes.rows_of_prices import PRICES
from plumbline_simulators.shapes.rows_of_states import STATES
from plumbline_simulators.shapes.shape import Shape

SHAPES: Final[tuple[Shape, ...]] = tuple(
    sorted((*PRICES, *DISCOUNTS, *STATES), key=lambda shape: (shape.number, shape.row))
)
