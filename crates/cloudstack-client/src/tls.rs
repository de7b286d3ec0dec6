//! Whom we trust: the platform's root certificates and those of a file, or, if somebody insists, everybody.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};

use crate::{endpoint::Endpoint, error::ConfigFault};

/// The TLS settings of an endpoint. Reads the platform's certificates only for a URL that needs them.
pub(crate) fn config(endpoint: &Endpoint, secure: bool) -> Result<ClientConfig, ConfigFault> {
    let provider = Arc::new(ring::default_provider());
    let fault = |fault: TlsError| ConfigFault::Http(Box::new(fault));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(fault)?;
    let mut config = if endpoint.verify_tls {
        builder.with_root_certificates(roots(endpoint, secure)?).with_no_client_auth()
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustEverybody(provider))).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(endpoint: &Endpoint, secure: bool) -> Result<RootCertStore, ConfigFault> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &endpoint.ca_file {
        add_file(&mut roots, path)?;
    }
    if secure {
        // Platforms carry certificates that cannot be parsed; the rest is still good.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(ConfigFault::NoRoots);
        }
    }
    Ok(roots)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), ConfigFault> {
    let fault = |reason: String| ConfigFault::CaFile { path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(|cause| fault(cause.to_string()))?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|cause| fault(cause.to_string()))?;
        roots.add(certificate).map_err(|cause| fault(cause.to_string()))?;
    }
    if roots.len() == before { Err(fault("it holds no certificate in PEM form".to_owned())) } else { Ok(()) }
}

/// Takes every certificate; still checks that the server holds its key.
#[derive(Debug)]
struct TrustEverybody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustEverybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
