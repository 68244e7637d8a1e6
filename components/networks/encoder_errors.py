"""What goes wrong with an encoder's files, for people."""


class EncoderError(ValueError):
    """An encoder that cannot be had or cannot work here; the message says which, why, and what to do."""


def not_fetched(address: str, error: Exception, instead: str) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return f"{address} could not be fetched ({reason}). Check the name and the network, or fetch it elsewhere and give {instead}"
