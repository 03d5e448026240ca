"""Parametric furniture of the 18 object classes; knows single models, not where they stand."""
from rescene4d_ros.rooms.furniture.catalog import CATALOG, draw
from rescene4d_ros.rooms.furniture.joint import Joint, Piece
from rescene4d_ros.rooms.furniture.model import Draw, Model, Top

__all__ = ['CATALOG', 'draw', 'Draw', 'Joint', 'Model', 'Piece', 'Top']
