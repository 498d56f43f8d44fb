"""A nightly run in Airflow (2.10 or 3), with the exit codes of apportion mapped to what they mean.

Put this file into the DAGs folder. The worker needs the `apportion` binary on its PATH; with the
Kubernetes executor that is the worker's image. `ApportionOperator` runs the binary where the task
runs; `apportion_pod` runs it in a pod of its own and is used where that provider is installed.

| exit code | meaning | here |
| --- | --- | --- |
| 0 | everything is published or was already | success |
| 1 | a unit failed, the others are published | retry |
| 2, 3 | configuration, or the money does not tie | fail at once: a retry changes nothing |
| 4 | stopped by a signal | retry |
| 75 | another run holds the lock of the destination | retry |
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

try:  # Airflow 3
    from airflow.sdk import DAG, BaseOperator
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.exceptions import AirflowException, AirflowFailException
    from airflow.models.baseoperator import BaseOperator
try:
    from airflow.providers.standard.hooks.subprocess import SubprocessHook
except ImportError:
    from airflow.hooks.subprocess import SubprocessHook

PIPELINE = "/etc/apportion/pipeline.yaml"
IMAGE = "registry.example.com/finops/apportion:0.1.0"
NEEDS_A_PERSON = {
    2: "the command line or the pipeline is wrong; nothing was done",
    3: "a check or the reconciliation stopped a publication; the old version stays published",
}


def judge(code: int) -> None:
    """Raises what makes Airflow do the right thing about an exit code."""
    if code == 0:
        return
    if code in NEEDS_A_PERSON:
        raise AirflowFailException(f"apportion ended with {code}: {NEEDS_A_PERSON[code]}")
    raise AirflowException(f"apportion ended with {code}; trying again is safe")


class ApportionOperator(BaseOperator):
    """Runs the binary; its log becomes the task's log, and a stopped task stops it gracefully."""

    template_fields = ("arguments",)

    def __init__(self, *, arguments: list[str], **kwargs) -> None:
        super().__init__(**kwargs)
        self.arguments = arguments
        self.hook: SubprocessHook | None = None

    def execute(self, context) -> None:
        self.hook = SubprocessHook()
        judge(self.hook.run_command(["apportion", *self.arguments]).exit_code)

    def on_kill(self) -> None:
        if self.hook is not None:
            self.hook.send_sigterm()


with DAG(
    dag_id="apportion_nightly",
    description="Turn cloud bills into allocated cost",
    schedule="30 5 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,  # one run covers every open period; missed nights need no runs of their own
    max_active_runs=1,  # one writer per destination
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=15),
        "execution_timeout": timedelta(hours=8),
    },
    tags=["finops"],
) as dag:
    run = ApportionOperator(
        task_id="run",
        arguments=[
            "run", PIPELINE, "--memory-limit", "3GiB", "--format", "json",
            "--work-directory", "/var/tmp/apportion",
        ],
    )
    # Every night is more often than needed, but then it deletes little at a time.
    vacuum = ApportionOperator(
        task_id="vacuum",
        arguments=[
            "vacuum", PIPELINE, "--older-than", "30d", "--ledger-older-than", "400d",
            "--work-directory", "/var/tmp/apportion",
        ],
    )
    run >> vacuum


try:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from kubernetes.client import models as k8s
except ImportError:
    KubernetesPodOperator = None

if KubernetesPodOperator is not None:

    class ApportionPodOperator(KubernetesPodOperator):
        """A pod per run. The base class knows failure and skipping only, so the code is read here."""

        def execute(self, context):
            try:
                return super().execute(context)
            except AirflowException:
                code = self.exit_code()
                if code is not None:
                    judge(code)
                raise  # the pod was evicted or never started: an ordinary failure

        def exit_code(self) -> int | None:
            """The exit code of the main container, if it came to one."""
            status = getattr(self.remote_pod, "status", None)
            for container in getattr(status, "container_statuses", None) or []:
                terminated = container.state.terminated if container.state else None
                if container.name == self.base_container_name and terminated:
                    return terminated.exit_code
            return None

    def apportion_pod(task_id: str, arguments: list[str]) -> ApportionPodOperator:
        """The same work as `ApportionOperator`, in a pod with room for a month's bill."""
        work = "/work"
        return ApportionPodOperator(
            task_id=task_id,
            name=f"apportion-{task_id}",
            namespace="finops",
            image=IMAGE,
            cmds=["apportion"],
            arguments=[*arguments, "--work-directory", work],
            service_account_name="apportion",
            container_resources=k8s.V1ResourceRequirements(
                requests={"cpu": "2", "memory": "4Gi", "ephemeral-storage": "1Gi"},
                limits={"memory": "4Gi"},
            ),
            volumes=[
                k8s.V1Volume(name="work", empty_dir=k8s.V1EmptyDirVolumeSource(size_limit="50Gi")),
                k8s.V1Volume(
                    name="pipeline",
                    config_map=k8s.V1ConfigMapVolumeSource(name="apportion-pipeline"),
                ),
            ],
            volume_mounts=[
                k8s.V1VolumeMount(name="work", mount_path=work),
                k8s.V1VolumeMount(name="pipeline", mount_path="/etc/apportion", read_only=True),
            ],
            termination_grace_period=120,
            on_finish_action="delete_pod",
            get_logs=True,
        )

    with DAG(
        dag_id="apportion_nightly_pod",
        description="The same in a pod of its own; keep one of the two",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        default_args={"retries": 3, "retry_delay": timedelta(minutes=15)},
        tags=["finops"],
    ) as pod_dag:
        apportion_pod("run", ["run", PIPELINE, "--memory-limit", "3GiB", "--format", "json"])
