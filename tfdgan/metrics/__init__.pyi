from .extractor import Extractor as Extractor
from .extractor import SavedModelExtractor as SavedModelExtractor
from .score import Score as Score
