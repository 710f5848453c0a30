"""The appliance as containers: up, asked, killed, taken down, up again."""

from tests.system.containers.driver import ContainerAppliance


def test_it_answers(appliance: ContainerAppliance) -> None:
    assert appliance.told["answer"]
    print(appliance.told)
    assert appliance.status()["state"] == "ready"
