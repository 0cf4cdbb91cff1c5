reset-title = Identifiant ou mot de passe oublié
reset-lead = Nous vous enverrons un code par SMS. Il vous montrera votre identifiant et vous permettra de choisir un nouveau mot de passe.
reset-by-login = Je connais mon identifiant
reset-by-identity = Je ne connais plus mon identifiant
reset-login-missing = Indiquez votre identifiant, ou utilisez le second formulaire.
reset-pupils = Élèves : demandez un mot de passe provisoire à votre établissement.
