"""Content Credentials in saved files, signed by a certificate that the test makes."""

import datetime
import importlib.util
import json

import pytest
from PIL import Image

import chat
from agent.bootstrap import Refusal
from agent.provenance.signing import signer_of
from agent.settings import AppSettings
from agent.terminal.file_io import export
from tools import provenance
from tools.pictures import PictureError, PictureStore, open_picture

needs_c2pa = pytest.mark.skipif(
    importlib.util.find_spec("c2pa") is None, reason="needs the extra: pip install '.[c2pa]'"
)
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Files with a certificate and its key, and the authority that vouches for it as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def named(name):
        parts = {x509.NameOID.ORGANIZATION_NAME: "Test", x509.NameOID.COMMON_NAME: name}
        return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts.items()])

    def issued(name, key, *, authority):
        usages = "content_commitment key_encipherment data_encipherment key_agreement crl_sign"
        usage = dict.fromkeys([*usages.split(), "encipher_only", "decipher_only"], False)
        usage |= {"key_cert_sign": authority, "digital_signature": not authority}
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        builder = (
            x509.CertificateBuilder(named("authority"), named(name), key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        if not authority:
            mail = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(mail, critical=False)
        return builder.sign(above, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    above, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root, leaf = issued("authority", above, authority=True), issued("me", own, authority=False)
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "chain.pem").write_bytes(leaf + root)
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret = own.private_bytes(serialization.Encoding.PEM, *plain)
    (folder / "key.pem").write_bytes(secret)
    return folder / "chain.pem", folder / "key.pem", root.decode()


@pytest.fixture
def store(tmp_path):
    return PictureStore(tmp_path / "home" / "pictures")


@pytest.fixture
def recipe(store):
    original = store.put(Image.new("RGB", (48, 32), "blue"))
    return {"seed": 7, "method": "mtc", "original": original, "settings": {"eta": 0.9}}


@pytest.fixture
def stored(store, recipe):
    return store.path(store.put(Image.new("RGB", (48, 32), "red"), recipe=recipe))


def settings(tmp_path, certificate):
    chain, key, _ = certificate
    return AppSettings(home=tmp_path / "home", c2pa_certificate=chain, c2pa_key=key)


def manifest(path, authority):
    """Return how far a file's manifest is believed, and the manifest."""
    import c2pa

    believed = c2pa.Context.from_dict({"trust": {"trust_anchors": authority}})
    with believed as context, c2pa.Reader(str(path), context=context) as reader:
        held = json.loads(reader.json())
    return held["validation_state"], held["manifests"][held["active_manifest"]]


@needs_c2pa
@pytest.mark.parametrize("suffix", "png jpg webp tif avif".split())
def test_a_saved_file_is_signed(tmp_path, certificate, stored, recipe, suffix):
    sign = signer_of(settings(tmp_path, certificate))
    saved = export(stored, tmp_path / f"a.{suffix}", name="x.png", sign=sign)
    state, held = manifest(saved, certificate[2])
    assert state == "Trusted" and "thumbnail" not in held
    assertions = {each["label"]: each["data"] for each in held["assertions"]}
    actions = assertions["c2pa.actions.v2"]["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"].endswith("/" + COMPOSITE)
    assert assertions["palimpsest.recipe"] == recipe == provenance.read(saved)
    assert open_picture(saved).image.size == (48, 32)
    assert sorted(path.name for path in tmp_path.glob("*a*")) == [saved.name]


@needs_c2pa
def test_a_change_of_the_file_is_noticed(tmp_path, certificate, stored):
    sign = signer_of(settings(tmp_path, certificate))
    saved = export(stored, tmp_path / "a.tif", name="x.png", sign=sign)
    held = saved.read_bytes()
    saved.write_bytes(held.replace(b"\xff\0\0" * 10, b"\0\xff\0" * 10, 1))
    assert manifest(saved, certificate[2])[0] == "Invalid"


@needs_c2pa
def test_what_was_not_edited_is_not_signed(tmp_path, certificate, store, recipe):
    sign = signer_of(settings(tmp_path, certificate))
    export(store.path(recipe["original"]), tmp_path / "a.png", name="x.png", sign=sign)
    with pytest.raises(Exception, match="ManifestNotFound"):
        manifest(tmp_path / "a.png", certificate[2])


@needs_c2pa
def test_a_format_that_cannot_be_signed(tmp_path, certificate, stored):
    sign = signer_of(settings(tmp_path, certificate))
    with pytest.raises(PictureError, match="BMP files cannot carry Content Credentials"):
        export(stored, tmp_path / "a.bmp", name="x.png", sign=sign)
    assert list(tmp_path.glob("*a.bmp*")) == []


@needs_c2pa
def test_a_certificate_that_is_not_for_this_leaves_no_file(tmp_path, certificate, stored):
    chain, key, authority = certificate
    (tmp_path / "authority.pem").write_text(authority)
    held = AppSettings(home=tmp_path / "home", c2pa_certificate=tmp_path / "authority.pem",
                       c2pa_key=key)  # fmt: skip
    with pytest.raises(PictureError, match="cannot be signed"):
        export(stored, tmp_path / "a.png", name="x.png", sign=signer_of(held))
    assert not (tmp_path / "a.png").exists()


@needs_c2pa
def test_files_that_are_no_certificate(tmp_path, certificate):
    chain, key, _ = certificate
    for wrong, words in ((tmp_path / "none.pem", "cannot be read"), (chain, "cannot be used")):
        held = AppSettings(home=tmp_path, c2pa_certificate=chain, c2pa_key=wrong)
        with pytest.raises(Refusal, match=words) as refused:
            signer_of(held)
        assert refused.value.code == 3


def test_without_the_extra_it_is_said_which(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    held = AppSettings(home=tmp_path, c2pa_certificate=tmp_path, c2pa_key=tmp_path)
    with pytest.raises(Refusal, match=r"pip install 'palimpsest\[c2pa\]'"):
        signer_of(held)


def test_half_a_configuration_is_refused_before_anything_is_done(capsys, monkeypatch):
    monkeypatch.setenv("PALIMPSEST_C2PA_KEY", "key.pem")
    assert chat.main(["--offline", "--say", "make her older"]) == 3
    assert "need both c2pa_certificate and c2pa_key" in capsys.readouterr().err


@needs_c2pa
def test_a_chat_signs_what_it_saves(capsys, tmp_path, certificate, perfect_editor, monkeypatch):
    monkeypatch.setenv("PALIMPSEST_C2PA_CERTIFICATE", str(certificate[0]))
    monkeypatch.setenv("PALIMPSEST_C2PA_KEY", str(certificate[1]))
    signed = []
    monkeypatch.setattr("agent.terminal.screen.export", _noting(signed))
    monkeypatch.setattr("agent.terminal.file_io.export", _noting(signed))
    monkeypatch.setattr("agent.terminal.commands.files.export", _noting(signed))
    words = ["--say", "make her older", "--say", "/save a.png", "--say", "save it as b.png"]
    assert chat.main(["--offline", "--preview", "off", "--out", str(tmp_path / "out"), *words]) == 0
    assert len(signed) == 3 and all(signed)


def _noting(signed):
    def export(picture, target, *, sign=None, **_options):
        signed.append(sign is not None)
        return target

    return export
