"""Makes schedules.safetensors: the learning rates of PyTorch's schedules, step by step."""

import warnings

import torch
from torch.optim import lr_scheduler as schedules

from common import Golden

RATES = [0.1, 0.02]

golden = Golden()


def optimizer_of(name):
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in RATES]
    if name == "adam":
        return torch.optim.Adam(groups)
    return torch.optim.SGD(groups, lr=RATES[0], momentum=0.9)


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def momenta(optimizer):
    return [group["betas"][0] if "betas" in group else group["momentum"] for group in optimizer.param_groups]


def run(case, make, steps=60, set_step=None, set_lr=None, optimizer="sgd", momentum=False, metrics=None, **options):
    """Row t of `lr`: both groups' rates after t steps of the schedule. After step set_step, the user
    sets all rates to set_lr."""
    arguments = dict(options)
    if set_step is not None:
        arguments.update(set_step=set_step, set_lr=set_lr)
    golden.arguments(case, arguments)
    optimizer = optimizer_of(optimizer)
    schedule = make(optimizer, **options)
    lr, momentums = [rates(optimizer)], [momenta(optimizer)]
    for step in range(1, (len(metrics) if metrics else steps) + 1):
        optimizer.step()
        if metrics:
            schedule.step(metrics[step - 1])
        else:
            schedule.step()
        if step == set_step:
            for group in optimizer.param_groups:
                group["lr"] = set_lr
        lr.append(rates(optimizer))
        momentums.append(momenta(optimizer))
    golden.put(f"{case}.lr", torch.tensor(lr, dtype=torch.float64))
    if momentum:
        golden.put(f"{case}.momentum", torch.tensor(momentums, dtype=torch.float64))
    if metrics:
        golden.put(f"{case}.in0", torch.tensor(metrics, dtype=torch.float64))


def chainable():
    """Schedules that multiply the current rate, so that they continue from a rate that the user sets."""
    between = {"set_step": 17, "set_lr": 0.5}
    for suffix, extra in (("", {}), ("_set", between)):
        run(f"step_lr.default{suffix}", schedules.StepLR, step_size=10, **extra)
        run(f"step_lr.gamma{suffix}", schedules.StepLR, step_size=7, gamma=0.5, **extra)
        run(f"multi_step_lr.default{suffix}", schedules.MultiStepLR, milestones=[5, 20, 45], **extra)
        run(f"multi_step_lr.twice{suffix}", schedules.MultiStepLR, milestones=[30, 12, 30], gamma=0.7, **extra)
        run(f"exponential_lr.gamma{suffix}", schedules.ExponentialLR, gamma=0.9, **extra)
        run(f"exponential_lr.growing{suffix}", schedules.ExponentialLR, gamma=1.1, **extra)
        run(f"constant_lr.default{suffix}", schedules.ConstantLR, **extra)
        run(f"constant_lr.factor{suffix}", schedules.ConstantLR, factor=0.25, total_iters=30, **extra)
        run(f"linear_lr.default{suffix}", schedules.LinearLR, **extra)
        run(f"linear_lr.warm_up{suffix}", schedules.LinearLR, start_factor=0.01, total_iters=40, **extra)
        run(f"linear_lr.down{suffix}", schedules.LinearLR, start_factor=1.0, end_factor=0.1, total_iters=25, **extra)
        run(f"cosine_annealing_lr.once{suffix}", schedules.CosineAnnealingLR, T_max=60, **extra)
        run(f"cosine_annealing_lr.several{suffix}", schedules.CosineAnnealingLR, T_max=13, **extra)
        run(f"cosine_annealing_lr.eta_min{suffix}", schedules.CosineAnnealingLR, T_max=20, eta_min=0.005, **extra)
        run(f"cosine_annealing_warm_restarts.default{suffix}", schedules.CosineAnnealingWarmRestarts, T_0=11, **extra)
        run(f"cosine_annealing_warm_restarts.growing{suffix}", schedules.CosineAnnealingWarmRestarts, T_0=5, T_mult=2,
            eta_min=0.001, **extra)


def lambdas():
    one, other = lambda t: 1 / (1 + t), lambda t: 0.95 ** t
    for name, function in (("one", one), ("each", [one, other])):
        run(f"lambda_lr.{name}", lambda optimizer: schedules.LambdaLR(optimizer, function))
        run(f"lambda_lr.{name}_set", lambda optimizer: schedules.LambdaLR(optimizer, function), set_step=17, set_lr=0.5)


def sequences():
    def warm_up_and_cosine(optimizer):
        return schedules.SequentialLR(optimizer, [
            schedules.LinearLR(optimizer, start_factor=0.1, total_iters=10),
            schedules.CosineAnnealingLR(optimizer, T_max=50)], milestones=[10])

    def three(optimizer):
        return schedules.SequentialLR(optimizer, [
            schedules.ConstantLR(optimizer, factor=0.5, total_iters=100),
            schedules.LambdaLR(optimizer, lambda t: 1 / (1 + t)),
            schedules.ExponentialLR(optimizer, gamma=0.9)], milestones=[5, 25])

    for name, make in (("warm_up_and_cosine", warm_up_and_cosine), ("three", three)):
        run(f"sequential_lr.{name}", make)
        run(f"sequential_lr.{name}_set", make, set_step=17, set_lr=0.5)


def one_cycle():
    for name in ("sgd", "adam"):
        for strategy in ("cos", "linear"):
            for phases in (False, True):
                run(f"one_cycle_lr.{name}_{strategy}_{3 if phases else 2}", schedules.OneCycleLR, optimizer=name,
                    momentum=True, steps=59, max_lr=[0.5, 0.3], total_steps=60, anneal_strategy=strategy,
                    three_phase=phases)
    run("one_cycle_lr.options", schedules.OneCycleLR, momentum=True, steps=49, max_lr=1.0, epochs=5,
        steps_per_epoch=10, pct_start=0.45, base_momentum=[0.7, 0.8], max_momentum=[0.9, 0.99], div_factor=10.0,
        final_div_factor=50.0)
    run("one_cycle_lr.no_momentum", schedules.OneCycleLR, momentum=True, max_lr=0.5, total_steps=60, steps=59,
        cycle_momentum=False)
    run("one_cycle_lr.set", schedules.OneCycleLR, max_lr=0.5, total_steps=60, steps=59, set_step=17, set_lr=0.25)


def plateau():
    """A metric that falls, stays constant, fluctuates, rises, and falls again; its negative for mode max."""
    falling = ([1.0 / (1 + 0.2 * t) for t in range(15)] + [0.25 + 0.00001 * (t % 3) for t in range(20)]
               + [0.25 + 0.002 * t for t in range(15)] + [0.24 - 0.004 * t for t in range(20)] + [0.2] * 20)
    make = schedules.ReduceLROnPlateau
    for mode in ("min", "max"):
        for threshold_mode in ("rel", "abs"):
            metrics = [value if mode == "min" else 1 - value for value in falling]
            modes = {"mode": mode, "threshold_mode": threshold_mode, "metrics": metrics}
            run(f"reduce_lr_on_plateau.{mode}_{threshold_mode}", make, **modes)
            run(f"reduce_lr_on_plateau.{mode}_{threshold_mode}_options", make, **modes, factor=0.5, patience=3,
                threshold=0.01, cooldown=2, min_lr=[0.001, 0.01], eps=1e-3)
    run("reduce_lr_on_plateau.default", make, metrics=falling)
    run("reduce_lr_on_plateau.negative", make, metrics=[-value for value in falling], patience=2)
    run("reduce_lr_on_plateau.nan", make, metrics=[1.0] + [float("nan")] * 8, patience=2)
    run("reduce_lr_on_plateau.set", make, metrics=falling, patience=4, set_step=30, set_lr=0.5)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    chainable()
    lambdas()
    sequences()
    one_cycle()
    plateau()
    golden.write("schedules.safetensors")
