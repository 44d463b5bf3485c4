"""What Trunkline tells: happenings, who wants to hear of them, and in which words."""
