"""What of a record may be shown, and from when: delays per kind of result, items held back, labels of sensitive care."""
