"""From institution to institution: notified pull of the BgZ and letters, and the nursing handoff, both sides."""
