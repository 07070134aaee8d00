"""A trained classifier as bytes: safetensors and nothing else. Pickles are refused unread; they can run code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from rayjob.choice.dual import Dual
from rayjob.choice.errors import ChoiceError
from rayjob.choice.network import Member, Symmetric, build
from rayjob.choice.siblings import PRIOR

FORMAT = 2
#: The files of a trained model; the second only where an encoder was fine-tuned.
MODEL, ENCODER = "model.safetensors", "encoder.safetensors"
_KEY = "rayjob.choice"
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")
Network = Symmetric | Dual


@dataclass(frozen=True, slots=True)
class TextPart:
    """The fine-tuned encoder beside the model file: its base, how much it reads, and what (features, text) weigh."""

    encoder: str
    max_tokens: int
    weights: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What stands beside the tensors: feature names in order, vector dimension, what siblings weigh, which split it
    never saw."""

    # `held` are the calibrated log-odds (right over wrong) of the pairs of that split:
    # abstention is decided by them.
    features: tuple[str, ...]
    vectors: int
    sibling_weights: tuple[float, float]
    data: str = ""
    split: str = ""
    held: tuple[float, ...] = ()
    # architecture dual: what embeds the texts ("": the rows carry vectors), and its temperature.
    encoder: str = ""
    temperature: float = 1.0
    text: TextPart | None = None
    # How often a sibling is right: what the weights of siblings were fitted with.
    sibling_reliability: float = PRIOR


def save_model(network: Network, info: ModelInfo) -> bytes:
    """The model file; the same network gives the same bytes."""
    about: dict[str, Any] = {
        "format": FORMAT, "architecture": "dual", "features": list(info.features), "vectors": info.vectors,
        "sibling_weights": list(info.sibling_weights), "sibling_reliability": info.sibling_reliability,
        "data": info.data, "split": info.split,
        "held": [round(value, 4) for value in info.held], "encoder": info.encoder, "temperature": info.temperature,
    }  # fmt: skip
    if isinstance(network, Symmetric):
        about |= {"architecture": "symmetric", "shapes": _shapes(network, info)}
    if info.text is not None:
        about["text"] = [info.text.encoder, info.text.max_tokens, *info.text.weights]
    # One key only: safetensors writes the keys of its metadata in no fixed order.
    return bytes(save_tensors(dict(sorted(network.state_dict().items())), {_KEY: json.dumps(about, sort_keys=True)}))


def _shapes(network: Symmetric, info: ModelInfo) -> dict[str, object]:
    members = [member for member in network.members if isinstance(member, Member)]
    layer = members[0].mlp.hidden[1]
    assert isinstance(layer, torch.nn.Linear)
    return {
        "features": len(info.features), "vectors": info.vectors, "hidden": int(layer.out_features),
        "trees": [list(member.trees.features.shape) for member in members],
    }  # fmt: skip


def load_model(data: bytes) -> tuple[Network, ModelInfo]:
    """The network, ready to predict, and its info. Raises ChoiceError for pickles and for files that are not of
    this kind."""
    about = _read_about(data)
    try:
        network: Network = Dual(int(about["vectors"])) if about["architecture"] == "dual" else build(about["shapes"])
        network.load_state_dict(load_tensors(data))
        info = _info(about)
    except (KeyError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise ChoiceError(f"the model file does not fit its own description ({error}); train again") from error
    network.eval()
    return network, info


def _info(about: dict[str, Any]) -> ModelInfo:
    own, others = (float(value) for value in about["sibling_weights"])
    text = about.get("text")
    return ModelInfo(
        tuple(about["features"]), int(about["vectors"]), (own, others), str(about["data"]), str(about["split"]),
        tuple(float(value) for value in about["held"]), str(about["encoder"]), float(about["temperature"]),
        None if text is None else TextPart(str(text[0]), int(text[1]), (float(text[2]), float(text[3]))),
        float(about.get("sibling_reliability", PRIOR)),
    )  # fmt: skip


def _read_about(data: bytes) -> dict[str, Any]:
    refuse_pickle(data)
    try:
        size = int.from_bytes(data[:8], "little")
        about = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][_KEY])
    except (ValueError, KeyError, TypeError) as error:
        raise ChoiceError(
            "not a model file of `train_choice` (safetensors with its description); give model.safetensors"
        ) from error
    if about.get("format") != FORMAT or about.get("architecture") not in ("symmetric", "dual"):
        raise ChoiceError(
            f"model file of format {about.get('format')}, architecture {about.get('architecture')}: this "
            f"version reads format {FORMAT}; train again"
        )
    return dict(about)


def refuse_pickle(data: bytes) -> None:
    """Raises ChoiceError for bytes that start as a pickle or a torch zip does, and not as safetensors: eight bytes of
    length, of which the first may be a pickle's, then a JSON object."""
    if data.startswith(_PICKLE_STARTS) and data[8:9] != b"{":
        raise ChoiceError(
            "this weight file is a pickle, which can run code when it is read: refused. Give a .safetensors "
            "file; the published .pth of "
            "architecture dual is read by `architecture: dual`, which loads tensors only"
        )
