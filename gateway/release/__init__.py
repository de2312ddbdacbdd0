"""What of a record may be shown, and from when: delays of results, items held back, labels of sensitive care."""
