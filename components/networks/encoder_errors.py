"""Errors of encoders."""

from components.networks.encoder_address import EncoderError as EncoderError
from components.networks.encoder_address import not_fetched as not_fetched
