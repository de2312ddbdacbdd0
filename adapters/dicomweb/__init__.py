"""The image archive (PACS) of an institution, by DICOMweb: instances and pictures, streamed."""
