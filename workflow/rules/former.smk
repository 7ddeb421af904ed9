"""What a killed call left behind: jobs in the queue that still run, results that nobody recorded."""

from scscope.run.queue import settle


def wait_for_former_calls():
    """Let no job run twice: see to those that a killed call left in the queue, and plan anew."""
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    submitted = {number for job in jobs for number in workflow.persistence.external_jobids(job)}
    # As the executor words it.
    planned = {f"rule_{job.rule.name}_wildcards_{'_'.join(job.wildcards)}" for job in jobs}
    group_of = workflow.group_settings.overwrite_groups
    for group in set(group_of.values()):
        rules = sorted(rule for rule in group_of if group_of[rule] == group)
        planned.add(f"rule_{group}_{'_'.join(rules)}")
    try:
        planned_too_early = settle(submitted, planned, Path.cwd(), logger.warning)
    except RuntimeError as error:
        raise WorkflowError(str(error)) from error
    if planned_too_early:
        workflow.persistence.unlock()
        os.execv(sys.executable, sys.orig_argv)
    record_what_ended_unseen()


def record_what_ended_unseen():
    """Write down what results were made from whose job ended while Snakemake was gone.

    Without it no change of a parameter would ever rerun them. What was edited after they were made is
    another matter: nobody knows what they were made from.
    """
    read_by_jobs = (*ROOT.glob("scscope/**/*.py"), *ROOT.glob("workflow/**/*.*"))
    edited = max(os.path.getmtime(path) for path in (*workflow.configfiles, *read_by_jobs))
    unknown = []
    for job in workflow.dag.jobs:
        if workflow.dag.needrun(job) or job.is_local or workflow.persistence.has_metadata(job):
            continue
        there = [path for path in job.output if os.path.exists(path)]  # not what was temporary
        if there and min(map(os.path.getmtime, there)) > edited:
            workflow.async_run(workflow.persistence.finished(job))
        else:
            unknown += there[:1]
    if unknown:
        logger.warning(
            f"{len(unknown)} results, such as {unknown[0]}, came while Snakemake was gone, and config "
            "or code were edited since: --forcerun their rules if that matters to them."
        )
