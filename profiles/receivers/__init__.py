"""What apps of citizens do with resources: facts about receivers, as data, and the judgement that follows from them."""
