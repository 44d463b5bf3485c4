"""How the house reaches out: parcels, their queue, and the courier who carries them."""
