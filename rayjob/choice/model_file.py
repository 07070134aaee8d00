"""A trained classifier as bytes: safetensors and nothing else. Pickles are refused unread; they can run code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from rayjob.choice.errors import ChoiceError
from rayjob.choice.network import Member, Symmetric, build

FORMAT = 1
_KEY = "rayjob.choice"
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")


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


def save_model(network: Symmetric, info: ModelInfo) -> bytes:
    """The model file; the same network gives the same bytes."""
    members = [member for member in network.members if isinstance(member, Member)]
    shapes = {
        "features": len(info.features), "vectors": info.vectors, "hidden": _hidden(members[0]),
        "trees": [list(member.trees.features.shape) for member in members],
    }  # fmt: skip
    about = {
        "format": FORMAT, "architecture": "symmetric", "shapes": shapes, "features": list(info.features),
        "vectors": info.vectors,
        "sibling_weights": list(info.sibling_weights), "data": info.data,
        "held": [round(value, 4) for value in info.held], "split": info.split,
    }  # fmt: skip
    # One key only: safetensors writes the keys of its metadata in no fixed order.
    return bytes(save_tensors(dict(sorted(network.state_dict().items())), {_KEY: json.dumps(about, sort_keys=True)}))


def _hidden(member: Member) -> int:
    layer = member.mlp.hidden[1]
    assert isinstance(layer, torch.nn.Linear)
    return int(layer.out_features)


def load_model(data: bytes) -> tuple[Symmetric, ModelInfo]:
    """The network, ready to predict, and its info. Raises ChoiceError for pickles and for files that are not of
    this kind."""
    about = _read_about(data)
    try:
        network = build(about["shapes"])
        network.load_state_dict(load_tensors(data))
        info = ModelInfo(
            tuple(about["features"]), int(about["vectors"]), (float(about["sibling_weights"][0]),
            float(about["sibling_weights"][1])),
            str(about["data"]), str(about["split"]), tuple(float(value) for value in about.get("held", ())),
        )  # fmt: skip
    except (KeyError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise ChoiceError(f"the model file does not fit its own description ({error}); train again") from error
    network.eval()
    return network, info


def _read_about(data: bytes) -> dict[str, Any]:
    refuse_pickle(data)
    try:
        size = int.from_bytes(data[:8], "little")
        about = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][_KEY])
    except (ValueError, KeyError, TypeError) as error:
        raise ChoiceError(
            "not a model file of `train_choice` (safetensors with its description); give model.safetensors"
        ) from error
    if about.get("format") != FORMAT or about.get("architecture") != "symmetric":
        raise ChoiceError(
            f"model file of format {about.get('format')}, architecture {about.get('architecture')}: this "
            f"version reads format {FORMAT}"
        )
    return dict(about)


def refuse_pickle(data: bytes) -> None:
    """Raises ChoiceError for bytes that start as a pickle or a torch zip does."""
    if data.startswith(_PICKLE_STARTS):
        raise ChoiceError(
            "this weight file is a pickle, which can run code when it is read: refused. Give a .safetensors "
            "file; the published .pth of "
            "architecture dual is read by `architecture: dual`, which loads tensors only"
        )
