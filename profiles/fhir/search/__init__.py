"""Search: parameters, matching, includes, ``$lastn``, over resources in memory."""
