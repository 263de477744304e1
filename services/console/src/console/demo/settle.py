"""Whether anything is still on its way between the demo's Stripe and its HubSpot."""

from plumbline_local.deployment import Deployment
from plumbline_local.run import database_url

from console.demo.world import World
from console.facts import Facts
from console.reach import connected, kafka_client


async def all_quiet(world: World, deployment: Deployment) -> bool:
    """No delivery waits at a vendor and Plumbline has nothing left to do."""
    counts = (await world.stripe_control("/deliveries?limit=1"))["counts"]
    if counts["pending"] or world.hubspot.state.webhooks.waiting:
        return False
    run = deployment.current()
    async with (
        connected(database_url(run)) as db,
        kafka_client(run.kafka.bootstrap_servers) as kafka,
    ):
        return (await Facts(db, kafka).backlog()).settled
