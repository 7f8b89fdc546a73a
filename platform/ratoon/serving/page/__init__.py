"""The page for people at `/`: what is served, how fresh it is, how it was judged, and a box to try it.

Rendered here, without a build step; its style and script are files beside this module, and nothing comes from elsewhere.
"""

from ratoon.serving.page.assets import ASSETS, Asset
from ratoon.serving.page.figures import Figures, figures
from ratoon.serving.page.sheets import home, sign_in
from ratoon.serving.page.titles import Titles

__all__ = ["ASSETS", "Asset", "Figures", "Titles", "figures", "home", "sign_in"]
