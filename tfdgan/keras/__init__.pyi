from .gossip import Gossip as Gossip
from .shard import shard as shard
