"""Models and checkpoints in folders: whole, or an error that says what is wrong."""

import json
import resource
import subprocess
import sys

import pytest
import torch

from scscope.store import load_folder, save_folder

FACTS = {"settings": {"n_latent": 3}, "error": None, "names": ["a", "b"], "loss": 0.1 + 0.2}


@pytest.fixture
def folder(tmp_path):
    save_folder(tmp_path / "m", "model", {"w": torch.arange(6.0).view(2, 3)}, FACTS)
    return tmp_path / "m"


def test_what_is_saved_comes_back(folder):
    tensors, facts = load_folder(folder, "model")
    assert facts == FACTS
    assert torch.equal(tensors["w"], torch.arange(6.0).view(2, 3))


def test_saving_again_leaves_nothing_of_the_first(folder):
    save_folder(folder, "model", {"w": torch.zeros(2)}, FACTS)
    assert torch.equal(load_folder(folder, "model")[0]["w"], torch.zeros(2))
    assert len(list(folder.iterdir())) == 2


def test_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no model in .*model.json"):
        load_folder(tmp_path, "model")


def tamper_tensors(folder):
    file = next(folder.glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def truncate_tensors(folder):
    file = next(folder.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-5])


def remove_tensors(folder):
    next(folder.glob("*.safetensors")).unlink()


def truncate_json(folder):
    (folder / "model.json").write_text((folder / "model.json").read_text()[:100])


def change_json(**changes):
    def change(folder):
        head = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps({**head, **changes}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (tamper_tensors, "damaged or was changed: model-.* should have the sha256"),
        (truncate_tensors, "damaged or was changed"),
        (remove_tensors, "not whole: model-.*safetensors is missing"),
        (truncate_json, "is damaged, it is no JSON"),
        (change_json(facts={**FACTS, "names": ["b", "a"]}), "changed: the facts in model.json"),
        (change_json(format=2, scscope="9.0"), "by scscope 9.0 in format 2; .* Update scscope"),
        (lambda folder: (folder / "model.json").write_text("[]"), "lacks: everything"),
        (lambda folder: (folder / "model.json").write_text("{}"), "lacks: facts, facts_sha256"),
    ],
)
def test_a_damaged_folder_is_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(ValueError, match=message):
        load_folder(folder, "model")


def test_a_full_disk_leaves_the_old_one_whole(folder):
    # A limit on the size of files, in a process of its own: the kernel's refusal is that of a disk
    # that is full.
    code = f"""
import resource, signal, torch
from scscope.store import save_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_folder({str(folder)!r}, "model", {{"w": torch.ones(1000)}}, {{}})
except OSError as error:
    print(type(error).__name__)
"""
    assert resource.RLIMIT_FSIZE is not None
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "OSError"
    assert load_folder(folder, "model")[1] == FACTS
    assert len(list(folder.iterdir())) == 2
