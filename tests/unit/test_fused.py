"""The compiled step against automatic differentiation, and what happens where it cannot be had."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from scscope.model import Network
from scscope.settings import settings_of
from scscope.train import engine, fused, kernels
from scscope.train.adam import Adam
from scscope.train.devices import threads_for
from scscope.train.engine import gradient_of
from scscope.train.fused import Fused
from scscope.train.gradient import Autograd
from tests.conftest import need

COMMAND = ["cc", *kernels.FLAGS]
N_GENES = 77  # no multiple of what a vector register holds


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """One cache for all tests, so that compiling is tested but done once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def network_of(preset="paper", n_batches=1, dtype=torch.float32, **changes):
    settings = settings_of(preset, **{"n_latent": 9, "imputer_width": 13, **changes})
    network = Network(N_GENES, n_batches, settings, torch.Generator().manual_seed(0)).to(dtype)
    generator = torch.Generator().manual_seed(1)
    for name, weight in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weight, std=0.2, generator=generator)
    return network, Adam(network.parameters(), learning_rate=1e-3, beta1=0.9), settings


def cells(n, density=0.5):
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(n, N_GENES, generator=generator) * 3
    return x * (torch.rand(n, N_GENES, generator=generator) < density)


def can_sample():
    need("AVX-512", "avx512f" in kernels.cpu(), "sparse outputs are sampled with it only")


def loss_and_gradient(engine, x):
    engine.adam.gradient.fill_(float("nan"))  # what was there before does not count
    loss = engine(x, None)
    return loss.item(), engine.adam.gradient.clone()


def assert_same(ours, theirs, tolerance=1e-4):
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    difference = (ours[1] - theirs[1]).abs().max() / theirs[1].abs().max()
    assert difference < tolerance


def reference_of(network, adam, settings, x):
    return loss_and_gradient(Autograd(network, adam, settings), x)


@pytest.mark.parametrize("n_steps", [1, 2, 3])
@pytest.mark.parametrize("loss", ["squared", "norm"])
@pytest.mark.parametrize("use_mask", [True, False])
@pytest.mark.parametrize("layers", [(), (30, 20)])
def test_loss_and_gradient_are_those_of_autograd(n_steps, loss, use_mask, layers):
    parts = network_of(
        n_steps=n_steps,
        loss=loss,
        use_mask=use_mask,
        encoder_layers=layers,
        decoder_layers=layers[::-1],
    )
    engine = Fused(*parts)
    for n in (150, 65, 1, 150):  # several blocks of cells, a few, and many again
        assert_same(loss_and_gradient(engine, cells(n)), reference_of(*parts, cells(n)))


@pytest.mark.parametrize("loss", ["squared", "norm"])
@pytest.mark.parametrize("density", [0.1, 0.5])
def test_threads_share_the_cells(threads, loss, density):
    parts = network_of(n_steps=3, loss=loss, encoder_layers=(20,))
    engine = Fused(*parts)
    for n in (150, 65, 1, 150):  # some threads may have no cells
        x = cells(n, density)
        assert_same(loss_and_gradient(engine, x), reference_of(*parts, x))


@pytest.mark.parametrize("n_latent", [1, 9, 16, 50, 128, 140])
@pytest.mark.parametrize("n_steps", [1, 3])
def test_sparse_minibatches_give_the_same(n_latent, n_steps):
    parts = network_of(n_latent=n_latent, n_steps=n_steps)
    engine = Fused(*parts)
    for density in (0.1, 0.5, 0.02):
        x = cells(150, density)
        assert_same(loss_and_gradient(engine, x), reference_of(*parts, x))


def test_the_last_output_is_sampled_where_few_entries_are_observed(monkeypatch):
    can_sample()
    results = {}
    for below in (0.0, 1.0):
        monkeypatch.setattr(fused, "SAMPLED_BELOW", below)
        results[below] = loss_and_gradient(Fused(*network_of()), cells(100, 0.1))
    assert_same(results[0.0], results[1.0])
    assert not results[0.0][1].equal(results[1.0][1])  # another order of sums


@pytest.mark.parametrize("loss", ["squared", "norm"])
def test_cells_without_counts_and_minibatches_without_any(loss):
    parts = network_of(n_steps=3, loss=loss)
    x = cells(20)
    x[3:9] = 0
    assert_same(loss_and_gradient(Fused(*parts), x), reference_of(*parts, x))
    value, slope = loss_and_gradient(Fused(*parts), torch.zeros(20, N_GENES))
    assert value == 0
    assert not slope.any()


def test_other_values_than_those_it_can_read_are_refused():
    engine = Fused(*network_of())
    for x in (cells(10).double(), cells(10).T.contiguous().T, cells(10)[:, 1:].contiguous()):
        with pytest.raises(ValueError, match="must be contiguous, float32 and have 77 genes"):
            engine(x)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_nan_in_data_or_weights_reaches_the_loss(bfloat16):
    parts = network_of()
    engine = Fused(*parts, bfloat16=bfloat16)
    x = cells(70)
    x[66, 5] = float("nan")
    assert torch.isnan(engine(x))
    assert torch.isfinite(engine(cells(70)))
    parts[0].encode[0].bias.data[2] = float("nan")
    assert torch.isnan(engine(cells(70)))


@pytest.mark.parametrize("preset", ["paper", "package"])
def test_training_follows_autograd(preset):
    histories = []
    for kind in (Fused, Autograd):
        network, adam, settings = network_of(preset)
        engine = kind(network, adam, settings)
        losses = []
        for step in range(60):
            losses.append(engine(cells(100)[step % 3 :: 3].contiguous(), None))
            adam.step()
        histories.append(torch.stack(losses))
    torch.testing.assert_close(*histories, rtol=1e-3, atol=0)
    assert histories[0][-1] < 0.8 * histories[0][0]


def test_adam_steps_as_torchs_does(threads, monkeypatch):
    monkeypatch.setattr(fused, "WEIGHTS_PER_THREAD", 1)
    _, adam, _ = parts = network_of()
    reference = network_of()[1]
    engine = Fused(*parts)
    assert adam.update == engine.update
    for density in (0.5, 0.1, 0.5, 0.5):
        engine(cells(60, density))
        reference.gradient.copy_(adam.gradient)
        adam.step()
        reference.step()
    for name in ("weights", "mean", "square"):
        ours, theirs = getattr(adam, name), getattr(reference, name)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_moments_decay_to_zero_and_not_to_numbers_that_are_slow():
    need("SSE", "sse" in kernels.cpu(), "the CPU's switch for small numbers is known for x86 only")
    _, adam, _ = parts = network_of()
    engine = Fused(*parts)
    adam.mean.fill_(1e-37)
    adam.gradient.zero_()
    for _ in range(60):
        adam.step()
    assert not adam.mean.any()
    assert engine.update == adam.update
    assert torch.tensor(1e-39) * 0.5 > 0  # elsewhere, small numbers are what they were


@pytest.mark.parametrize("bfloat16", [False, True])
def test_the_same_threads_give_the_same_bytes(threads, bfloat16):
    results = [
        loss_and_gradient(Fused(*network_of(), bfloat16=bfloat16), cells(150)) for _ in range(3)
    ]
    assert all(loss == results[0][0] and g.equal(results[0][1]) for loss, g in results)


def test_the_number_of_threads_may_change_between_calls():
    parts = network_of()
    engine, before = Fused(*parts), torch.get_num_threads()
    for n in (2, 1, 3):
        torch.set_num_threads(n)
        assert_same(loss_and_gradient(engine, cells(150)), reference_of(*parts, cells(150)))
    torch.set_num_threads(before)


@pytest.mark.parametrize("loss", ["squared", "norm"])
@pytest.mark.parametrize("n_steps", [1, 3])
def test_bfloat16_rounds_but_points_the_same_way(loss, n_steps):
    parts = network_of(n_steps=n_steps, loss=loss, encoder_layers=(30,))
    ours = loss_and_gradient(Fused(*parts, bfloat16=True), cells(150))
    theirs = reference_of(*parts, cells(150))
    assert ours[0] == pytest.approx(theirs[0], rel=1e-3)
    assert torch.cosine_similarity(ours[1], theirs[1], dim=0) > 0.999
    assert (ours[1] - theirs[1]).abs().max() > 1e-4 * theirs[1].abs().max()  # it does round


@pytest.mark.parametrize("n_latent", [1, 9, 50, 140])
def test_bfloat16_is_the_same_with_and_without_instructions(n_latent, threads, monkeypatch):
    parts = network_of(n_latent=n_latent, n_steps=3, decoder_layers=(40,))
    native = Fused(*parts, bfloat16=True)
    monkeypatch.setattr(kernels, "NATIVE", {})
    kernels.load.cache_clear()
    plain = Fused(*parts, bfloat16=True)
    kernels.load.cache_clear()
    assert not plain.library.has_bfloat16()
    for n in (150, 65, 1, 150):
        assert_same(*(loss_and_gradient(engine, cells(n)) for engine in (native, plain)))


@pytest.mark.parametrize("loss", ["squared", "norm"])
def test_without_a_blas_to_call_torch_multiplies(loss, monkeypatch):
    monkeypatch.setattr(fused, "blas", lambda: None)
    parts = network_of(n_steps=3, loss=loss, decoder_layers=(20,))
    engine, reason = gradient_of(*parts, n_cells=64)
    assert reason == "compiled step, float32, products by torch"
    for n in (150, 1):
        assert_same(loss_and_gradient(engine, cells(n)), reference_of(*parts, cells(n)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n_batches": 2}, "float32, because the network learns a batch effect"),
        ({"dtype": torch.float64}, "float64, because the weights are float64 on cpu"),
    ],
)
def test_what_the_compiled_step_cannot_do_is_done_by_autograd(changes, why):
    engine, reason = gradient_of(*network_of(**changes), n_cells=64)
    assert isinstance(engine, Autograd)
    assert reason == f"automatic differentiation in {why}"


def test_an_optimiser_of_some_weights_only_takes_autograd():
    network, _, settings = network_of()
    adam = Adam(network.encode.parameters(), learning_rate=1e-3, beta1=0.9)
    engine, reason = gradient_of(network, adam, settings, n_cells=64)
    assert isinstance(engine, Autograd)
    assert "the optimiser has not all weights" in reason


@pytest.mark.parametrize("there", [True, False])
def test_bfloat16_is_used_where_the_cpu_has_it(there, monkeypatch, caplog):
    monkeypatch.setattr(engine, "has_bfloat16", lambda: there)
    with caplog.at_level("INFO", logger="scscope.train"):
        chosen, reason = gradient_of(*network_of(precision="bfloat16"), n_cells=64)
    assert chosen.bfloat16 is there
    assert ("bfloat16 products" if there else "not in bfloat16, for which CPU or") in reason
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("compiler", "why"),
    [
        ("/nowhere/cc", "no C compiler \\('/nowhere/cc' is not found; CC can name another\\)"),
        ("false", "'false' fails: exit status 1"),
    ],
)
def test_without_a_compiler_autograd_does_it_and_says_why(compiler, why, monkeypatch, tmp_path):
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernels.load.cache_clear()
    parts = network_of()
    with pytest.raises(fused.Unsupported, match=why):
        Fused(*parts)
    engine, reason = gradient_of(*parts, n_cells=64)
    kernels.load.cache_clear()
    assert isinstance(engine, Autograd)
    assert reason.startswith("automatic differentiation in float32, because ")
    assert not list(tmp_path.rglob("*.so"))


def test_without_a_common_openmp_there_is_one_thread(threads, monkeypatch):
    load = kernels.library

    def without_openmp(command):
        if "-fopenmp" in command:
            raise kernels.NoKernels("another OpenMP")
        return load(command)

    monkeypatch.setattr(kernels, "library", without_openmp)
    kernels.load.cache_clear()
    parts = network_of()
    engine, reason = gradient_of(*parts, n_cells=64)
    kernels.load.cache_clear()
    assert reason == "compiled step, float32, one thread (no common OpenMP with torch)"
    assert_same(loss_and_gradient(engine, cells(150)), reference_of(*parts, cells(150)))


def test_a_broken_file_in_the_cache_is_made_again(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "scscope" / f"fused-{kernels.fingerprint(COMMAND)}.so"
    path.parent.mkdir()
    path.write_bytes(b"half a library")
    assert kernels.library(COMMAND).step
    assert path.stat().st_size > 1_000


def test_another_source_compiler_cpu_or_command_has_another_name(monkeypatch, tmp_path):
    names = [kernels.fingerprint(["cc"]), kernels.fingerprint(["cc", "-O2"])]
    with monkeypatch.context() as context:
        context.setattr(kernels, "cpu", lambda: "another")
        names.append(kernels.fingerprint(["cc"]))
    source = tmp_path / "fused.c"
    source.write_text("int nothing;")
    monkeypatch.setattr(kernels, "SOURCE", source)
    names.append(kernels.fingerprint(["cc"]))
    assert len(set(names)) == len(names)


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")  # no folder can be made below a file, not even by root
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert kernels.library(COMMAND).step


def test_jobs_that_start_together_share_one_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with ThreadPoolExecutor() as pool:
        libraries = list(pool.map(kernels.library, [COMMAND] * 3))
    assert all(library.step for library in libraries)
    assert len(list(tmp_path.rglob("*"))) == 2  # the folder and one library, nothing half-made


def test_threads_are_as_many_as_the_work_is_worth():
    sizes = [cells * 1_000 for cells in (1, 64, 128, 512)]
    assert [threads_for(size, 8) for size in sizes] == [1, 1, 2, 8]
    assert threads_for(sizes[-1], 2) == 2
