from common.cluster.job import Made, prepare_job
from common.cluster.worker import Crew, label
from tests.cluster.stubs import stub_images, stub_maker


def test_a_crew_lends_its_children_and_ends_the_idle_ones(tmp_path):
    job = prepare_job(*stub_maker(tmp_path), 60.0)
    crew = Crew(job, dict.fromkeys(job.weights, tmp_path / "w.h5"), 2)
    images = stub_images([1])
    bundle = [("p0", images.source.loader(0))]
    assert crew.make(bundle) == [Made(["2 1"], False)]
    (started,) = (child for child in crew._children if child._process)
    process = started._process
    crew.kill_idle()
    assert process.poll() == -9 and not any(child._process for child in crew._children)
    assert crew.make(bundle) == [Made(["2 1"], False)]
    crew.kill_idle()


def test_every_job_has_its_own_label():
    assert label("a") != label("b")
