"""What a listener allows its peers, as settings: apart from the listener, so that reading settings loads none."""

from pydantic import BaseModel, ConfigDict, Field


class ConnectionSettings(BaseModel):
    """Section ``connections``: what a listener for HTTP allows its peers."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    header_seconds: float = Field(10.0, gt=0, le=120, description="time for a connection's handshake, and for a header")
    header_bytes: int = Field(65_536, ge=8_192, description="longest header")
    body_seconds: float = Field(10.0, gt=0, le=120, description="time for a body, beside that of body_rate")
    body_rate: int = Field(5_000, ge=1, description="bytes per second of a body, at the least")
    answer_seconds: float = Field(30.0, gt=0, le=600, description="longest pause of a peer that reads its answer")
    per_address: int = Field(250, ge=1, description="connections of one address; a proxy of ours may have more")
    most: int = Field(4_000, ge=10, description="connections in all")
