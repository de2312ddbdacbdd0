"""Write-back: what a citizen sent and a professional accepted goes to the EHR, by an adapter for each way in."""
