"""Parametric furniture of the 18 object classes; knows single models, not where they stand."""

from rescene4d_ros.synthetic_rooms.furniture.joint import Joint, Piece
from rescene4d_ros.synthetic_rooms.furniture.makers import CATALOG, draw
from rescene4d_ros.synthetic_rooms.furniture.model import Draw, Model, Top
from rescene4d_ros.synthetic_rooms.furniture.split import draw_of, SPLITS

__all__ = ['CATALOG', 'draw', 'Draw', 'draw_of', 'Joint', 'Model', 'Piece', 'SPLITS', 'Top']
