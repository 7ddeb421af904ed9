"""One worker of a training on several devices, started by torchrun.

    torchrun --nproc-per-node 2 -m scscope.train.worker FOLDER

FOLDER holds what `scscope.train.devices.train_on_devices` left there.
"""

import json
import os
import sys
from pathlib import Path

from scscope.atomic import write_text
from scscope.model import new_network
from scscope.processes import end_with
from scscope.settings import Settings
from scscope.store import save_folder
from scscope.train.devices import ERRORS, FAILURE, REQUEST, TRAINED, source_of
from scscope.train.loop import train
from scscope.train.workers import take_device


def main(folder: Path) -> None:
    """Train; worker 0 leaves the network, and who fails leaves the reason."""
    request = json.loads((folder / REQUEST).read_text())
    options = request["options"]
    try:
        take_device(options["device"])
        source = source_of(request["source"])
        settings = Settings(**request["settings"])
        network = new_network(source.shape[1], request["n_batches"], settings, options["seed"]).to(
            options["device"]
        )
        history, record = train(network, source, settings, **options)
    except tuple(ERRORS.values()) as error:
        # Others, such as a lost connection, say only that another worker failed.
        failure = {"kind": type(error).__name__, "message": str(error)}
        write_text(folder / FAILURE, json.dumps(failure))
        raise
    if os.environ["RANK"] == "0":
        facts = {"history": history, "record": record}
        save_folder(folder, TRAINED, dict(network.state_dict()), facts)


if __name__ == "__main__":
    end_with(os.getppid())
    main(Path(sys.argv[1]))
