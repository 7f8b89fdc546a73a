"""`ratoon backtest`: what policies of the plan would have made of history, and what they would have cost."""

from ratoon.bench.backtests.history import History, history
from ratoon.bench.backtests.picture import page
from ratoon.bench.backtests.replay import Day, K, replay
from ratoon.bench.backtests.told import Told, told

__all__ = ["Day", "History", "K", "Told", "history", "page", "replay", "told"]
